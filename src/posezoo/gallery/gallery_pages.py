"""Every page of a gallery, by its path: a page for each model and, last, the index that leads to them."""

from __future__ import annotations

from posezoo.gallery.gallery_data import GalleryData
from posezoo.gallery.index_page import NAME, draw_index_page
from posezoo.gallery.model_page import draw_model_page

TITLE = "Model gallery"


def draw_gallery_pages(rows: GalleryData, title: str = TITLE) -> dict[str, bytes]:
    """The content of each page by its path below the site's folder, with / between its parts.

    Raises:
        MissingPackageError: Jinja2 is not installed.
    """
    names = {entry.name for entry in rows.entries}
    pages = {entry.page: draw_model_page(entry, rows, names) for entry in rows.entries}
    return {**pages, NAME: draw_index_page(rows, title)}
