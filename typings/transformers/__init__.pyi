# What this project takes from transformers. The package's own __init__ makes a type checker read all of its models.
from transformers.configuration_utils import PreTrainedConfig as PreTrainedConfig
from transformers.data.data_collator import DataCollatorWithPadding as DataCollatorWithPadding
from transformers.modeling_utils import PreTrainedModel as PreTrainedModel
from transformers.models.albert.configuration_albert import AlbertConfig as AlbertConfig
from transformers.models.albert.modeling_albert import (
    AlbertForSequenceClassification as AlbertForSequenceClassification,
)
from transformers.models.auto.configuration_auto import AutoConfig as AutoConfig
from transformers.models.auto.modeling_auto import (
    AutoModel as AutoModel,
)
from transformers.models.auto.modeling_auto import (
    AutoModelForSequenceClassification as AutoModelForSequenceClassification,
)
from transformers.models.auto.tokenization_auto import AutoTokenizer as AutoTokenizer
from transformers.models.bert.configuration_bert import BertConfig as BertConfig
from transformers.models.bert.modeling_bert import (
    BertForSequenceClassification as BertForSequenceClassification,
)
from transformers.models.bert.modeling_bert import (
    BertModel as BertModel,
)
from transformers.models.bert.tokenization_bert import BertTokenizer as BertTokenizer
from transformers.models.distilbert.configuration_distilbert import DistilBertConfig as DistilBertConfig
from transformers.pipelines import pipeline as pipeline
from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast as PreTrainedTokenizerFast
from transformers.trainer import Trainer as Trainer
from transformers.trainer_callback import (
    PrinterCallback as PrinterCallback,
)
from transformers.trainer_callback import (
    TrainerCallback as TrainerCallback,
)
from transformers.training_args import TrainingArguments as TrainingArguments
from transformers.utils import logging as logging
