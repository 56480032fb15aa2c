"""The fairness page as a picture: SVG, drawn here, so that the server needs no library for it.

Fonts and colors are attributes: the server's Content-Security-Policy lets no browser read a style sheet in an answer.
"""

from html import escape

from dating.matching.fairness import BANDS, Fairness, Group

WIDTH, HEIGHT = 900, 480
SIDE, LEFT, TOP = 320, 60, 80
BARS_LEFT, BAR, GAP, BREAK = 620, 80, 31, 16
FONT = 'font-family="system-ui, sans-serif" font-size="14" fill="#222"'
TITLE = 'font-size="20" font-weight="600"'
SMALL = 'font-size="12" fill="#444"'


def draw(page: Fairness) -> str:
    """The whole picture."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text id="title" {TITLE} x="{LEFT}" y="36">{escape(name(page))}</text>',
    ]
    if page.exposure_gini is None:
        parts.append(f'<text x="{LEFT}" y="70">There are too few people to say anything.</text>')
    else:
        parts += [*draw_curve(page), *draw_bars(page.groups)]
    return "".join([*parts, "</svg>"])


def name(page: Fairness) -> str:
    """The headline."""
    return "Who is shown, and who matches" if page.week is None else f"Who is shown, and who matches: the week from {page.week}"


def draw_curve(page: Fairness) -> list[str]:
    """The Lorenz curve of exposure beside perfect equality."""
    steps = len(page.lorenz) - 1
    figures = (
        f"{page.people:,} active people; {say_share(page.without_a_match or 0)} of them without a match; on average "
        f"{page.effective_matches:.2f} effective matches and {page.unanswered:.1f} likes that await an answer"
    )
    places = [(LEFT + SIDE * n / steps, TOP + SIDE * (1 - share)) for n, share in enumerate(page.lorenz)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    bottom, right = TOP + SIDE, LEFT + SIDE
    return [
        f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#bbb"/>',
        *draw_grid(),
        f'<line x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{TOP}" stroke="#999" stroke-dasharray="5 4"/>',
        f'<text {SMALL} x="{LEFT + SIDE * 0.5}" y="{TOP + SIDE * 0.45}" text-anchor="end">if all were shown alike</text>',
        f'<polygon points="{LEFT},{bottom} {points} {right},{bottom}" fill="#3b6fb6" fill-opacity=".15"/>',
        f'<polyline points="{points}" fill="none" stroke="#3b6fb6" stroke-width="2.5"/>',
        f'<text x="{LEFT + 14}" y="{TOP + 26}">Gini of exposure {page.exposure_gini:.2f}</text>',
        f'<text {SMALL} x="{LEFT}" y="{bottom + 36}">people, from the least to the most shown</text>',
        f'<text {SMALL} x="{LEFT}" y="{TOP - 8}">their share of all impressions</text>',
        f'<text {SMALL} x="{LEFT}" y="{bottom + 60}">{figures}</text>',
    ]


def draw_grid() -> list[str]:
    """Lines and numbers at each quarter."""
    parts = []
    for quarter in range(5):
        x, y = LEFT + SIDE * quarter // 4, TOP + SIDE - SIDE * quarter // 4
        parts += [
            f'<path d="M{x} {TOP}V{TOP + SIDE}M{LEFT} {y}H{LEFT + SIDE}" stroke="#eee"/>',
            f'<text {SMALL} x="{x}" y="{TOP + SIDE + 18}" text-anchor="middle">{25 * quarter} %</text>',
            f'<text {SMALL} x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{25 * quarter} %</text>',
        ]
    return parts


def draw_bars(groups: list[Group]) -> list[str]:
    """Effective matches of each group, with the share of those who had none."""
    most = max((group.effective_matches for group in groups), default=0) or 1
    parts = [f'<text x="{BARS_LEFT - 170}" y="{TOP - 8}">Effective matches for each, by group</text>']
    for number, group in enumerate(groups):
        y = TOP + 10 + number * GAP + (BREAK if group.name in BANDS.values() else 0)
        words = f"{group.effective_matches:.2f} ({say_share(group.without_a_match)} without a match)"
        width = BAR * group.effective_matches / most
        parts += [
            f'<text x="{BARS_LEFT - 12}" y="{y + 14}" text-anchor="end">{escape(group.name)}</text>',
            f'<rect x="{BARS_LEFT}" y="{y}" width="{width:.1f}" height="18" fill="#f2c48d"/>',
            f'<text {SMALL} x="{BARS_LEFT + width + 8:.1f}" y="{y + 13}">{words}</text>',
        ]
    return parts


def say_share(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.0f} %"
