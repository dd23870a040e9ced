import base64
import io
import subprocess
import sys

import numpy as np
from matplotlib.image import imread

from fakenews_assets.common.plotting import (
    FAKE_COLOUR,
    add_legend_below,
    label_axes,
    new_figure,
    plain_label,
    to_data_uri,
    to_markdown_image,
    to_png,
)


def test_png_has_the_size_asked_for_and_shows_something():
    figure, (axis,) = new_figure(4, 3)
    axis.bar([1, 2], [3, 4], color=FAKE_COLOUR)
    label_axes(axis, title="Finding", x="unit", y="count")

    pixels = imread(io.BytesIO(to_png(figure)))

    assert pixels.shape[:2] == (330, 440)
    vermillion = np.array([0xD5, 0x5E, 0x00]) / 255
    assert np.isclose(pixels[..., :3], vermillion, atol=0.01).all(axis=-1).mean() > 0.2


def test_axes_come_row_by_row():
    figure, axes = new_figure(rows=2, columns=3, heights=(3, 1))

    figure.draw_without_rendering()
    heights = [axis.get_position().height for axis in axes]
    assert len(axes) == 6
    assert heights[0] > 2 * heights[3]


def test_equal_figures_have_equal_bytes():
    def draw() -> bytes:
        figure, (axis,) = new_figure()
        axis.plot([0, 1], label="line")
        add_legend_below(figure)
        return to_png(figure)

    assert draw() == draw()


def test_data_uri_holds_the_bytes():
    head, body = to_data_uri(b"\x89PNG").split(",")

    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == b"\x89PNG"


def test_markdown_image_survives_any_alternative_text():
    figure, _ = new_figure(1, 1)
    markdown = to_markdown_image(to_png(figure), "loss [train]\nand more")

    assert markdown.startswith("![loss train and more](data:image/png;base64,iVBOR")
    assert markdown.endswith(")")


def test_labels_from_the_data_are_short_and_no_formulas():
    figure, (axis,) = new_figure(3, 1)
    axis.set_yticks([0], [plain_label("$\\frac$ " + "long " * 20)])

    assert len(plain_label("x" * 50)) == 32
    assert to_png(figure).startswith(b"\x89PNG")


def test_no_pyplot_and_no_matplotlib_before_the_first_figure():
    script = (
        "import sys, fakenews_assets.common.plotting as plotting, fakenews_assets.data.profile.plots\n"
        "assert not {'matplotlib', 'sklearn', 'torch'} & set(sys.modules)\n"
        "plotting.to_png(plotting.new_figure()[0])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
