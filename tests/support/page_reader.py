"""A page's tags and text, as the tests of pages ask for them."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of styles and scripts."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self._within = ""
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._within = tag

    def handle_endtag(self, tag):
        self._within = ""

    def handle_data(self, data):
        if self._within not in ("style", "script"):
            self.text += data

    def attributes(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def assert_asks_no_server(content: str) -> None:
    """Nothing in the page leads outside of it: no file, no address, no code but in scripts of its own."""
    page = Page(content)
    assert {name for name, _ in page.tags}.isdisjoint({"link", "iframe", "object", "embed", "base", "form"})
    for tag in ("img", "audio", "script"):
        assert all(attributes.get("src", "data:").startswith("data:") for attributes in page.attributes(tag))
    assert all(attributes["href"].startswith("#") for attributes in page.attributes("a"))
    (policy,) = (each["content"] for each in page.attributes("meta") if "http-equiv" in each)
    assert policy.startswith("default-src 'none';")
    assert "http://" not in content
    assert "https://" not in content
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def assert_links_lead_somewhere(content: str) -> None:
    page = Page(content)
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {attributes["href"].removeprefix("#") for attributes in page.attributes("a")} == anchors
