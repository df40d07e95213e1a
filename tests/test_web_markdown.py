"""Markdown of the web is shown as Markdown, and holds nothing that was not allowed; no word is lost."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from langchain_parallel.text.markdown_writer import rewrite_markdown
from langchain_parallel.text.own_marks import marked_numbers
from langchain_parallel.text.web_html import web_html

from .sessions.building import NASTY, some
from .sessions.hostile import HOSTILE
from .sessions.page_reader import Page

READER = MarkdownIt("commonmark", {"maxNesting": 200}).enable(["table", "strikethrough"])
FORMS = {
    *("inline", "text", "softbreak", "hardbreak", "code_inline", "fence", "hr", "text_special"),
    *(
        f"{name}_{end}"
        for end in ("open", "close")
        for name in ("heading", "paragraph", "blockquote", "bullet_list", "ordered_list", "list_item",
                     "table", "thead", "tbody", "tr", "th", "td", "link", "em", "strong", "s")
    ),
}  # fmt: skip
"""All that a reader of the rewritten text may find."""

DEEP = (
    "> " * 300 + "deep\n\nkept",
    "- " * 300 + "deep\n\nkept",
    "".join(f"{' ' * n}- {n}\n" for n in range(0, 200, 2)) + "\nkept",
)
IMAGES = "![x](https://track.example/p.png) ![y](javascript:x) [![z](https://t.example/z)](https://u.example)"
ELSEWHERE = (
    "[bank.com](https://evil.example/login) [https://bank.com](https://bank.com.evil.example)"
)
DEFINITIONS = """[^1]: https://evil.example
[1]: https://evil.example
[3]: <https://evil.example> 'x'

[1] [^1] [x][3] [3][]"""
MARKS = """[1] [2, 3] \\[4\\] [*5*] **[**6**]** &#91;7&#93; [[8]](https://a.example)
［9］ 【10†x】 `[11]` [**1**2] [ 3 ] [^4] [sources-5]"""
SCHEMES = """[a](javascript:alert(1)) [b](JaVaScRiPt:x) [c](java&#115;cript:x) [d](&#x6A;avascript:x)
[e](\\javascript:x) [f](data:text/html,x) [g](vbscript:x) [h](//evil.example) [i](/path) [j](#s1) [k]()
[l](mailto:a@b.c) [m](https:evil.example) [n](https:\\\\evil.example) [o](file:///etc/passwd)"""
ATTACKS = [
    *DEEP,
    IMAGES,
    ELSEWHERE,
    DEFINITIONS,
    MARKS,
    SCHEMES,
    '<script>alert(1)</script>\n\n<div onclick="x">\n\n<img src=x onerror=alert(1)>',
    "<javascript:alert(1)> <data:x> <mailto:a@b.example> <https://a.example/\u202egpj.exe>",
    '[a](https://e.example/"onmouseover=alert(1)) [b](<https://e.example/ x> "t\\" onclick=x")',
    "text of ours\n---\nmore\n===\n\n* * *\n- - -",
    "| a | b |\n|---|---|\n| 1 | 2\n| [x | y](https://a.example) | `c | d` |\n</table>|\n\nafter",
    "- a\n\n      code\n  - b\n\n1) x\n2) y\n\n> q\n> > r\n- | a |\n  |---|\n  | b |",
    "a\u202eb\u2066c\u200bd &#x202e;e &#8238;f &ZeroWidthSpace;g \U000e0041h\x1b[2J\x00",
    "&lt;script&gt;alert(1)&lt;/script&gt; &amp;lt;b&amp;gt;",
    "```html\n</code></pre><script>x</script>\n````\n~~~\n```\nopen for ever",
    "`` ` `` ```` ``` ```` ` `` `",
    "***a** b* _c_d_ ~~e~~ ~f~ **g",
    "</div></section></main></body></html><!-- ",
    "line\\\n# not a heading\n1. x\\\n===\\\n- y",
    "www.evil.example https://evil.example/?q=[1] a@evil.example",
    "\t\ttabs\n\ta\n \u00a0\u3000x\u2028y\x85z",
]
TEXTS = [*ATTACKS, *HOSTILE, *NASTY]
texts = st.lists(st.sampled_from([*TEXTS, "\n\n", "\n", " ", "1", "[", "]"]), max_size=6).map(
    "".join
)


def read_back(text: str) -> str:
    """What a reader of the rewritten text sees."""
    document = rewrite_markdown(text)
    assert document is not None
    seen: list[str] = []
    for token in READER.parse(document):
        for part in (token, *(token.children or ())):
            assert part.type in FORMS, part
            if part.type == "heading_open":
                assert part.tag >= "h3"
            if part.type == "link_open":
                assert re.match(r"https?://[^/]", str(part.attrs["href"])), part.attrs
            if part.type in ("text", "text_special", "code_inline", "fence"):
                seen.append(part.content)
            if part.type.endswith("break"):
                seen.append(" ")
    return "".join(seen)


class Words(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.prose = ""
        self.code = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.code += tag == "code"

    def handle_endtag(self, tag: str) -> None:
        self.code -= tag == "code"
        self.prose += "\n" if tag in ("p", "li", "td", "th") else ""

    def handle_data(self, data: str) -> None:
        self.text += data
        self.prose += "·" if self.code else data


def check(text: str) -> None:
    page = web_html(text)
    read = Page(page)
    assert all(re.match(r"https?://[^/]", link) for link in read.links)
    assert "img" not in read.tags
    assert read.marks == []
    words = Words(page)
    assert not [n for _, n in marked_numbers(words.prose) if str(n) != "0"], words.prose
    assert not re.search("[\u200b\u202a-\u202e\u2066-\u2069\x00-\x08\x1b]", page)
    if '<p class="text"' not in page and rewrite_markdown(text) is not None:
        squeezed = [re.sub(r"[\s]", "", seen) for seen in (read_back(text), words.text)]
        assert squeezed[0] == squeezed[1]


@pytest.mark.parametrize("text", TEXTS)
def test_no_text_gets_out_of_its_place(text: str) -> None:
    check(text)


@given(texts)
@some
def test_nor_do_any_of_them_together(text: str) -> None:
    check(text)


@pytest.mark.parametrize("text", DEEP)
def test_what_is_nested_too_deeply_is_shown_as_it_was_typed(text: str) -> None:
    assert rewrite_markdown(text) is None
    assert "kept" in Page(web_html(text)).text


HONEST = r"""## Market

Grew **12 %** in *2025*, see [the study](https://a.example/study).

### Makers

1. Alpha
2. Beta
   - in Bern
   - in Basel

| maker | share |
| --- | ---: |
| Alpha | 40 % |

```
x = 1
```

> Quoted.

---

End.\
Really.
"""


def test_an_honest_report_keeps_its_form() -> None:
    shifted = HONEST.replace("## M", "#### M").replace(
        "(https://a.example/study)", "(<https://a.example/study>)"
    )
    assert rewrite_markdown(HONEST) == shifted.rstrip()
    read = Page(web_html(HONEST))
    forms = {"h4", "h5", "strong", "em", "ol", "ul", "table", "pre", "blockquote", "hr", "br"}
    assert forms <= set(read.tags)
    assert read.links == ["https://a.example/study"]


def test_a_link_says_where_it_leads_and_an_image_is_a_link() -> None:
    shown = unescape(re.sub("<[^>]*>", "", web_html(f"{ELSEWHERE} {IMAGES}")))
    assert "bank.com (leads to evil.example)" in shown
    assert "(leads to bank.com.evil.example)" in shown
    assert "(image: x) ![y](javascript:x) (image: z)" in shown
    assert Page(web_html(IMAGES)).links == ["https://track.example/p.png", "https://u.example"]


def test_without_the_extra_a_text_is_shown_as_it_was_typed() -> None:
    code = (
        "import sys; sys.modules['markdown_it'] = None\n"
        "from langchain_parallel.text.web_html import web_html\n"
        "from langchain_parallel.text.markdown_writer import rewrite_markdown\n"
        "print(rewrite_markdown('# A'), web_html('# A <b>'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == 'None <p class="text" dir="auto"># A &lt;b&gt;</p>\n'
