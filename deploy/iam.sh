#!/usr/bin/env bash
# Service accounts with the least that their work needs. Harmless to run again.
#
#     deploy/iam.sh PROJECT REGION            # the bucket is PROJECT-fakenews
#     deploy/iam.sh PROJECT REGION kubernetes # pods too; the project has had a cluster with Workload Identity
#     deploy/iam.sh PROJECT REGION rollout    # champions ship themselves; the service is on Cloud Run already
#
# | account          | for                       | may                                                             |
# | fakenews-service | the service               | read its API key and champions, add to its log and read it      |
# | fakenews-dagster | Dagster                   | write store/ and compute-logs/, read landing/ in the bucket     |
# | fakenews-build   | Cloud Build               | read build/ and container contexts, push images, deploy         |
set -euo pipefail

usage="usage: iam.sh PROJECT REGION [kubernetes] [rollout]"
project=${1:?$usage} region=${2:?$usage} pods="" rollout=""
for asked in "${@:3}"; do
    case $asked in
        kubernetes) pods=yes ;;
        rollout) rollout=yes ;;
        *) echo "$usage" >&2; exit 1 ;;
    esac
done
bucket="$project-fakenews"
namespace=dagster

account() { echo "$1@$project.iam.gserviceaccount.com"; }

# Below a prefix of the bucket, and nowhere else in it.
grant_below() { # account role prefix
    gcloud storage buckets add-iam-policy-binding "gs://$bucket" \
        --member "serviceAccount:$(account "$1")" --role "$2" \
        --condition "title=$1-${3//[\/_]/-},expression=resource.name.startsWith('projects/_/buckets/$bucket/objects/$3/')"
}

for name in fakenews-service fakenews-dagster fakenews-build; do
    gcloud iam service-accounts describe "$(account "$name")" --project "$project" > /dev/null 2>&1 ||
        gcloud iam service-accounts create "$name" --project "$project"
done

# Conditions need uniform access.
gcloud storage buckets update "gs://$bucket" --uniform-bucket-level-access --public-access-prevention

# The service: one secret, the bundles, and its log, of which it can neither change nor remove what is there. Names can
# only be listed for a whole bucket.
grant_below fakenews-service roles/storage.objectCreator store/service_log
grant_below fakenews-service roles/storage.objectViewer store/service_log
grant_below fakenews-service roles/storage.objectViewer store/models
gcloud storage buckets add-iam-policy-binding "gs://$bucket" \
    --member "serviceAccount:$(account fakenews-service)" --role roles/storage.legacyBucketReader --condition None
gcloud secrets add-iam-policy-binding fakenews-api-key --project "$project" \
    --member "serviceAccount:$(account fakenews-service)" --role roles/secretmanager.secretAccessor

# Dagster: the values, its runs' output, and new batches. It also looks whether the bucket is there and lists it.
grant_below fakenews-dagster roles/storage.objectUser store
grant_below fakenews-dagster roles/storage.objectUser compute-logs
grant_below fakenews-dagster roles/storage.objectViewer landing
gcloud storage buckets add-iam-policy-binding "gs://$bucket" \
    --member "serviceAccount:$(account fakenews-dagster)" --role roles/storage.legacyBucketReader --condition None

# Cloud Build: sources and container contexts in, images out, the service deployed as the service's account.
grant_below fakenews-build roles/storage.objectViewer build
grant_below fakenews-build roles/storage.objectViewer store/container_context
gcloud storage buckets add-iam-policy-binding "gs://$bucket" \
    --member "serviceAccount:$(account fakenews-build)" --role roles/storage.legacyBucketReader --condition None
gcloud artifacts repositories add-iam-policy-binding fakenews --project "$project" --location "$region" \
    --member "serviceAccount:$(account fakenews-build)" --role roles/artifactregistry.writer
gcloud iam service-accounts add-iam-policy-binding "$(account fakenews-service)" --project "$project" \
    --member "serviceAccount:$(account fakenews-build)" --role roles/iam.serviceAccountUser
for role in roles/run.developer roles/logging.logWriter; do
    gcloud projects add-iam-policy-binding "$project" \
        --member "serviceAccount:$(account fakenews-build)" --role "$role" --condition None
done

# Pods with the Kubernetes service accounts of the chart and of service.yaml act as these two (Workload Identity). Google
# makes the project's identity pool with its first such cluster, and refuses the members before that.
if [ -n "$pods" ]; then
    for pair in fakenews-service:fakenews-service fakenews-dagster:dagster; do
        gcloud iam service-accounts add-iam-policy-binding "$(account "${pair%:*}")" --project "$project" \
            --member "serviceAccount:$project.svc.id.goog[$namespace/${pair#*:}]" --role roles/iam.workloadIdentityUser
    done
fi

# Dagster rolls champions out: it starts builds as the build's account, reads the registry, makes revisions of this one
# service as the service's account, and reads what they have answered.
if [ -n "$rollout" ]; then
    for other in fakenews-build fakenews-service; do
        gcloud iam service-accounts add-iam-policy-binding "$(account $other)" --project "$project" \
            --member "serviceAccount:$(account fakenews-dagster)" --role roles/iam.serviceAccountUser
    done
    gcloud artifacts repositories add-iam-policy-binding fakenews --project "$project" --location "$region" \
        --member "serviceAccount:$(account fakenews-dagster)" --role roles/artifactregistry.reader
    gcloud run services add-iam-policy-binding fakenews --project "$project" --region "$region" \
        --member "serviceAccount:$(account fakenews-dagster)" --role roles/run.developer
    for role in roles/cloudbuild.builds.editor roles/monitoring.viewer; do
        gcloud projects add-iam-policy-binding "$project" \
            --member "serviceAccount:$(account fakenews-dagster)" --role "$role" --condition None
    done
fi
