"""A champion with its whole chain, shared with the audit."""

from tests.governance.audit.conftest import answered as answered
from tests.governance.audit.conftest import project as project
