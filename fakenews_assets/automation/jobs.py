"""Jobs: the parts of the graph that are launched together.

A run has one partition, so the two partitionings of the graph meet in two jobs: `full_lifecycle` takes one
batch from its raw bytes to trained candidates, and `evaluate_candidate` judges one of these. With the
daemon running the rest follows by itself (`follow_up` in sensors.py).
"""

import dagster as dg

from fakenews_assets.automation.pods import training_pod
from fakenews_assets.selection.assets import rollback_champion

CORPUS = ("corpus_profile", "article_clusters", "splits", "shortcut_probes")
"""What is made of all admitted batches."""

FIRST_CANDIDATES = ("baseline_model", "finetuned_bert")

ingest_batch = dg.define_asset_job(
    "ingest_batch",
    selection=["raw_news", "clean_news"],
    description="Receive one batch and clean it. It joins the corpus if it passes its checks.",
)

prepare_corpus = dg.define_asset_job(
    "prepare_corpus",
    selection=list(CORPUS),
    description="Describe the corpus, cluster its near-duplicates, split it, and look for shortcuts that it offers.",
)

train_candidates = dg.define_asset_job(
    "train_candidates",
    selection=list(FIRST_CANDIDATES),
    description="Train every candidate on the current splits.",
    tags=training_pod(),
)

evaluate_candidate = dg.define_asset_job(
    "evaluate_candidate",
    selection=["evaluation"],
    description="Judge one candidate on the frozen test split.",
)

full_lifecycle = dg.define_asset_job(
    "full_lifecycle",
    selection=["raw_news", "clean_news", *CORPUS, *FIRST_CANDIDATES],
    description="One batch from its raw bytes to trained candidates; their evaluation follows.",
    tags=training_pod(),
)

search_hyperparameters = dg.define_asset_job(
    "search_hyperparameters",
    selection=["hyperparameter_search"],
    description="Look for better training settings. `finetuned_bert` uses them only if its configuration says so.",
    tags=training_pod(),
)

distill_student = dg.define_asset_job(
    "distill_student",
    selection=["distilled_bert"],
    description="Make one student of the fine-tuned encoder.",
    tags=training_pod(),
)

prune_encoder = dg.define_asset_job(
    "prune_encoder",
    selection=["pruned_bert"],
    description="Cut the fine-tuned encoder down and let it recover.",
    tags=training_pod(),
)

quantize_model = dg.define_asset_job(
    "quantize_model",
    selection=["quantized_bert"],
    description="Export one trained model to another runtime, quantized or as a reference.",
)

measure_generalization = dg.define_asset_job(
    "measure_generalization",
    selection=["generalization"],
    description="Train and judge the recipes anew by source, by time and with several seeds. The leaderboard shows it.",
    tags=training_pod(),
)

compare_candidates = dg.define_asset_job(
    "compare_candidates",
    selection=["leaderboard"],
    description="Put all judged candidates side by side.",
)

select_champion = dg.define_asset_job(
    "select_champion",
    selection=["selected_model"],
    description="Choose among the judged candidates, and promote the choice if it beats the champion.",
)

build_bento = dg.define_asset_job(
    "build_bento",
    selection=["fakenews_bento", "container_context"],
    description="Build the champion's bento, try it out, and lay out what its container is built from.",
)

predict_batch = dg.define_asset_job(
    "predict_batch",
    selection=["batch_predictions"],
    description="Let the champion judge every article of one batch.",
)

retrain = dg.define_asset_job(
    "retrain",
    selection=[*CORPUS, *FIRST_CANDIDATES],
    description="Train anew on all admitted batches, from the pretrained encoder or from the champion's weights"
    " (`warm_start` of finetuned_bert). `follow_up` then renews the variants, judges all and selects.",
    tags=training_pod(),
)

monitor_day = dg.define_asset_job(
    "monitor_day",
    selection=["prediction_log", "drift_report", "performance_report", "monitoring_page"],
    description="Report on one day of the service: log, drift, quality by late labels, and the monitoring page.",
)

audit_champion = dg.define_asset_job(
    "audit_champion",
    selection=["audit_report"],
    description="Compute the champion's chain anew, from its bundle to the raw bytes. Fails on any mismatch.",
)

all_jobs = [
    ingest_batch,
    prepare_corpus,
    search_hyperparameters,
    train_candidates,
    distill_student,
    prune_encoder,
    quantize_model,
    evaluate_candidate,
    measure_generalization,
    compare_candidates,
    select_champion,
    build_bento,
    predict_batch,
    full_lifecycle,
    retrain,
    monitor_day,
    rollback_champion,
    audit_champion,
]
