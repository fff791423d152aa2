"""All pages of a gallery: a page for each model, and the index that links to them."""

from __future__ import annotations

from posezoo.gallery.gallery_data import GalleryData
from posezoo.gallery.index_page import NAME, draw_index_page
from posezoo.gallery.model_page import draw_model_page

TITLE = "Model gallery"


def draw_gallery_pages(data: GalleryData, title: str = TITLE) -> dict[str, bytes]:
    """The content of each page by its path below the site's folder; the index is the last one.

    Raises:
        MissingPackageError: Jinja2 is not installed.
    """
    names = {entry.name for entry in data.entries}
    pages = {entry.page: draw_model_page(entry, data, names) for entry in data.entries}
    return {**pages, NAME: draw_index_page(data, title)}
