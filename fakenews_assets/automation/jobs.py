"""Jobs: the parts of the graph that are launched together.

A run has one partition, so the two partitionings of the graph meet in two jobs: `full_lifecycle` takes one
batch from its raw bytes to trained candidates, and `evaluate_candidate` judges one of these. With the
daemon running the second follows the first by itself (the automation condition of `evaluation`).
"""

import dagster as dg

ingest_batch = dg.define_asset_job(
    "ingest_batch",
    selection=["raw_news", "clean_news"],
    description="Receive one batch and clean it. It joins the corpus if it passes its checks.",
)

prepare_corpus = dg.define_asset_job(
    "prepare_corpus",
    selection=["corpus_profile", "article_clusters", "splits"],
    description="Describe the corpus, cluster its near-duplicates and split it.",
)

train_candidates = dg.define_asset_job(
    "train_candidates",
    selection=["baseline_model", "finetuned_bert"],
    description="Train every candidate on the current splits.",
)

evaluate_candidate = dg.define_asset_job(
    "evaluate_candidate",
    selection=["evaluation"],
    description="Judge one candidate on the frozen test split.",
)

full_lifecycle = dg.define_asset_job(
    "full_lifecycle",
    selection=[
        "raw_news",
        "clean_news",
        "corpus_profile",
        "article_clusters",
        "splits",
        "baseline_model",
        "finetuned_bert",
    ],
    description="One batch from its raw bytes to trained candidates; their evaluation follows.",
)

all_jobs = [ingest_batch, prepare_corpus, train_candidates, evaluate_candidate, full_lifecycle]
