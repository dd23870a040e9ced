"""Jobs: the parts of the graph that are launched together.

A run has one partition, so the two partitionings of the graph meet in two jobs: `full_lifecycle` takes one
batch from its raw bytes to trained candidates, and `evaluate_candidate` evaluates one of these. The sensor
`refresh_downstream` launches the jobs in `REFRESH_JOBS` after a training, and so does the command line.
"""

import dagster as dg

from fakenews_assets.automation.pods import training_pod
from fakenews_assets.selection.assets import rollback_champion

BATCH = ("raw_news", "clean_news")
"""Assets of one batch."""

CORPUS = ("corpus_profile", "article_clusters", "splits", "shortcut_probes")
"""Assets of all accepted batches."""

FIRST_CANDIDATES = ("baseline_model", "finetuned_bert")

ON_DEMAND_CANDIDATES = ("frozen_encoder",)
"""Assets of the group training that become candidates once a person makes them."""

ingest_batch = dg.define_asset_job(
    "ingest_batch",
    selection=list(BATCH),
    description="Receive one batch and clean it. It joins the corpus if it passes its checks.",
)

rate_publishers = dg.define_asset_job(
    "rate_publishers",
    selection=["source_ratings"],
    description="Receive a table of publishers' quality ratings.",
)

ingest_rated_batch = dg.define_asset_job(
    "ingest_rated_batch",
    selection=["publisher_labels", *BATCH],
    description="Receive one batch, label its articles by their publishers' ratings, and clean it.",
)

admit_batch = dg.define_asset_job(
    "admit_batch",
    selection=["admission", "clean_news"],
    description="Admit a stored batch that a check of its labels refused, and clean it again.",
)

label_batch = dg.define_asset_job(
    "label_batch",
    selection=["publisher_labels", "clean_news"],
    description="Label the articles of a stored batch by their publishers' ratings, and clean it again.",
)

prepare_corpus = dg.define_asset_job(
    "prepare_corpus",
    selection=list(CORPUS),
    description="Profile the corpus, cluster its near-duplicates, split it, and probe it for shortcuts.",
)

train_candidates = dg.define_asset_job(
    "train_candidates",
    selection=list(FIRST_CANDIDATES),
    description="Train the baseline and fine-tune the encoder on the current splits.",
    tags=training_pod(),
)

fit_frozen_encoder = dg.define_asset_job(
    "fit_frozen_encoder",
    selection=list(ON_DEMAND_CANDIDATES),
    description="Fit the second bar: a linear head on the pretrained encoder without fine-tuning.",
    tags=training_pod(),
)

evaluate_candidate = dg.define_asset_job(
    "evaluate_candidate",
    selection=["evaluation"],
    description="Calibrate one candidate, evaluate it on the test split, and predict the selection split.",
)

full_lifecycle = dg.define_asset_job(
    "full_lifecycle",
    selection=[*BATCH, *CORPUS, *FIRST_CANDIDATES],
    description="Take one batch from its raw bytes to trained candidates. `refresh_downstream` then evaluates and selects.",
    tags=training_pod(),
)

search_hyperparameters = dg.define_asset_job(
    "search_hyperparameters",
    selection=["hyperparameter_search"],
    description="Search for better training settings. `finetuned_bert` uses them only with `use_search`.",
    tags=training_pod(),
)

distill_student = dg.define_asset_job(
    "distill_student",
    selection=["distilled_bert"],
    description="Distill one student from the fine-tuned encoder.",
    tags=training_pod(),
)

prune_encoder = dg.define_asset_job(
    "prune_encoder",
    selection=["pruned_bert"],
    description="Prune the fine-tuned encoder and train it to recover.",
    tags=training_pod(),
)

distill_static = dg.define_asset_job(
    "distill_static",
    selection=["static_model"],
    description="Distill the static student from the fine-tuned encoder.",
    tags=training_pod(),
)

quantize_model = dg.define_asset_job(
    "quantize_model",
    selection=["quantized_bert"],
    description="Export one trained model to another runtime, quantized or as a reference.",
)

combine_models = dg.define_asset_job(
    "combine_models",
    selection=["ensemble_model"],
    description="Combine one encoder and the baseline into an ensemble.",
)

build_cascade = dg.define_asset_job(
    "build_cascade",
    selection=["cascade_model"],
    description="Put the baseline before one ensemble, to answer what it is sure of.",
)

measure_generalization = dg.define_asset_job(
    "measure_generalization",
    selection=["generalization"],
    description="Retrain the models and evaluate them by source, by time and with several seeds, for the "
    "leaderboard.",
    tags=training_pod(),
)

compare_candidates = dg.define_asset_job(
    "compare_candidates",
    selection=["leaderboard"],
    description="Compare all evaluated candidates on the leaderboard.",
)

select_champion = dg.define_asset_job(
    "select_champion",
    selection=["selected_model", "champion"],
    description="Select one of the evaluated candidates, and promote it if it passes the gate.",
)

build_bento = dg.define_asset_job(
    "build_bento",
    selection=["champion", "fakenews_bento", "container_context"],
    description="Build the champion's bento, test it, and write the build context of its container.",
)

roll_out_champion = dg.define_asset_job(
    "roll_out_champion",
    selection=["rollout"],
    description="Take the next step of the rollout on Cloud Run: build and try a revision, judge a trial, or go back.",
)

predict_batch = dg.define_asset_job(
    "predict_batch",
    selection=["batch_predictions"],
    description="Score every article of one batch with the champion.",
)

retrain = dg.define_asset_job(
    "retrain",
    selection=[*CORPUS, *FIRST_CANDIDATES],
    description="Retrain on all accepted batches, from the pretrained encoder or from the champion's weights"
    " (`warm_start` of finetuned_bert). `refresh_downstream` then refreshes variants, evaluations and selection.",
    tags=training_pod(),
)

monitor_day = dg.define_asset_job(
    "monitor_day",
    selection=["prediction_log", "drift_report", "performance_report", "monitoring_page"],
    description="Report on one day of the service: traffic, drift, quality where labels have arrived, and the monitoring page.",
)

audit_champion = dg.define_asset_job(
    "audit_champion",
    selection=["audit_report"],
    description="Trace the champion back to the raw bytes and recompute each step. Fails on any mismatch.",
)

REFRESH_JOBS = (
    distill_student,
    prune_encoder,
    distill_static,
    quantize_model,
    combine_models,
    build_cascade,
    evaluate_candidate,
    compare_candidates,
    select_champion,
)
"""Together they make what is downstream of a training; Dagster's asset graph gives their order. `measure_generalization` is
not among them: it trains for hours, so a person starts it."""

all_jobs = [
    ingest_batch,
    rate_publishers,
    ingest_rated_batch,
    admit_batch,
    label_batch,
    prepare_corpus,
    search_hyperparameters,
    train_candidates,
    fit_frozen_encoder,
    distill_student,
    prune_encoder,
    distill_static,
    quantize_model,
    combine_models,
    build_cascade,
    evaluate_candidate,
    measure_generalization,
    compare_candidates,
    select_champion,
    build_bento,
    roll_out_champion,
    predict_batch,
    full_lifecycle,
    retrain,
    monitor_day,
    rollback_champion,
    audit_champion,
]
