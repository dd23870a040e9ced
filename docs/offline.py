"""Takes out of a notebook's page what a browser would fetch from elsewhere: MathJax and Mermaid, which no page needs."""

import re
from typing import Any, Final

from mkdocs.structure.pages import Page

_FETCHING: Final = re.compile(
    r"<!-- Load mathjax -->.*?<!-- End of mathjax configuration -->"
    r'|<script type="module">(?:(?!</script>).)*mermaid.*?<!-- End of mermaid configuration -->',
    re.DOTALL,
)


def on_page_content(html: str, page: Page, **_: Any) -> str:
    """Called by MkDocs."""
    return _FETCHING.sub("", html) if page.file.src_path.endswith(".ipynb") else html
