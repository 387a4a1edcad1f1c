#!/usr/bin/env python3
"""Chooses the pictures of the demo gallery; rewrites gallery/ beside this file.

    python3 select_gallery.py OPENCLIPART

OPENCLIPART holds the clip arts of Debian's openclipart packages rendered to JPEG on white:
items.csv (item_id, title, category, subcategory, artist, keywords, description, image,
width, height, source_path), the pictures and COPYRIGHT-DEBIAN. Needs Pillow (11 or newer).

The choice is deterministic: candidates pass rules on size, ink and words, and a list of
pictures refused by eye; then every category gets an equal share (small ones all they have),
within a category artists take turns, those with several works first, and of look-alikes and
numbered series only a few stay. Files are copied byte for byte.
"""

import collections
import csv
import hashlib
import html
import pathlib
import re
import shutil
import sys

from PIL import Image

TARGET = 400
BYTES = 3_800_000  # of pictures; the folder stays below 4 MB
WITHOUT_PICTURE = 12  # items whose image cell stays empty, so that such items can be seen too
ALIKE_BITS = 6  # difference hashes this near count as one picture
ALIKE = 2  # how many of one picture
SERIES = 3  # how many of one numbered series
SMALLEST = 8  # categories with fewer candidates stay out

SUBCATEGORIES = {"religion", "weapons", "roadsigns", "stickmen", "gradients", "examples"}  # left out

# Symbols, brands, persons, belief, politics, violence: a shop window is no place for them, and
# several are trade marks whatever their copyright.
WORDS = re.compile(
    r"flag|logo|brand|tux|linux|gnu\b|openclipart|mascot|icon|relig|christ|church|jesus|buddh|islam|mosque"
    r"|muslim|cross\b|crosses|crucif|bible|angel|saint|menorah|jew|hanukkah|discordia|weapon|gun|rifle|pistol|bullet"
    r"|tank|bomb|militar|army|war\b|soldier|grenade|missile|sword|knife|dead|death|skull|skelet|blood|nude"
    r"|naked|sex|breast|cigar|smok|tobacco|president|politic|communis|nazi|swastika|bush|famous|history"
    r"|african-american|indian|native|\bmap|coastline|country|states|hummer|barbie|disney|mickey|pokemon"
    r"|mario|pac-?man|rubik|simpson|batman|superman|star wars|garfield|lego|coca|pepsi|cola|ipod|macintosh"
    r"|windows|microsoft|google|firefox|mozilla|debian|ubuntu|gnome|kde\b|inkscape|java\b|playstation"
    r"|nintendo|xbox|ferrari|porsche|bmw|volkswagen|explos|dynamite|devil|demon|satan|drunk|drug|marijuana|cannabis"
    r"|syringe|recycl|stickmen|hole|\bcreation|tribal|holy|thief|kill|murder|pope|nun\b|monk\b|priest"
    r"|confederate|rebel|anarch|peace|fist|protest|revolution|\bevolution|\bunion\b|thanksgiving|santa|xmas"
    r"|wikipedia|garmin|geko|magel|toyota|sony|sprint|nokia|volvo|dodge|mustang|honda|cadillac|blazer|template"
    r"|roadsign|road sign|test|button|emblem|coat of arms|heraldr|shield|badge|toilet|ninja|snoopy|spiderman",
    re.IGNORECASE,
)

# Refused by eye: portraits of real people, nudity, loaded symbols, lettering, broken renderings,
# near-empty pages, scribbles, technical diagrams.
REFUSED = set(
    """2 25 81 95 97 123 125 135 139 155 160 167 178 202 208 219 228 231 232 236 238 273 285 286
    287 298 301 302 303 323 376 377 378 379 380 381 382 383 388 394 407 409 412 415 422 441 450 455 457
    485 545 558 584 674 725 753 765 771 836 839 840 892 904 938 975 979 984 995
    1045 1046 1047 1048 1057 1059 1062 1068 1070 1074 1082 1084 1088 1089 1091 1095 1096 1098 1099 1102 1103
    1105 1120 1123 1125 1131 1132 1133 1163 1164 1168 1169 1170 1171 1172 1173 1177 1178 1179 1180 1181 1182
    1190 1192 1193 1211 1213 1238 1248 1249 1262 1283 1284 1285 1286 1287 1288 1289 1290 1291 1292 1293 1294
    1297 1298 1301 1309 1395 1434 1438 1770 1826 1957 1963 1964 2033 2060 2061 2063 2069 2087 2117 2120
    2190 2193 2217 2240 2243 2251 2253 2255 2256 2257 2258 2259 2267 2270 2271 2272 2274 2275 2276 2277
    2278 2279 2280 2281 2339 2346 293 446 456 499 940 1139 1420 1430 2062""".split()
)

# Titles that name a batch of pictures, not one.
BATCH = re.compile(r"clip ?-?art|sibmission|^r\d+ |^office$|^food$|^sport$|^svg|olivier one", re.IGNORECASE)

CREDITS = {"", "svg", "arc", "email", "frolland", "ganson", "rollandin", "architetto"}  # in file names

ARTISTS = {
    "Architetto Francesco Rollandin": "Francesco Rollandin",
    "Rollandin Francesco": "Francesco Rollandin",
    "A.J. Ashton": "AJ Ashton",
    "Jean-VIctor Balin": "Jean-Victor Balin",
    "Jean-Vitor Balin": "Jean-Victor Balin",
    "Dan Gerhrads": "Dan Gerhards",
    "Petri Lummemaki": "Petri Lummemäki",
    "Sergio Luiz Araujo Silva": "Sérgio Luiz Araújo Silva",
    "Mo": "mo",
    "PeterM": "peterm",
    "uliphant": "Uliphant",
    "Jonadab": "Jonadab the Unsightly One",
    "Jean Maurice Le Clec": "Jean-Maurice Le Clech",
}
NOBODY = {"", "anonymous", "unknown", "u", "c...", "as"}
DULL_KEYWORDS = {"", "hash", "unsorted", "clip art", "clipart", "public domain", "11", "simple", "special"}


def order(item_id):
    """A fixed shuffle that does not depend on the order of the file."""
    return hashlib.sha256(("gallery:" + item_id).encode()).hexdigest()


def artist(name):
    """The name without addresses; None where nothing usable is left."""
    name = re.sub(r"\s*[(\[<].*$", "", name).strip()
    if "@" in name or "://" in name or "www." in name or "&" in name or " ON " in name:
        return None
    name = ARTISTS.get(name, name)
    return "" if name.lower() in NOBODY else name


def keywords(row):
    words = []
    for word in row["keywords"].split("|"):
        word = re.sub(r"\s+", " ", word).strip().lower()
        if word in DULL_KEYWORDS or word.startswith("0x") or len(word) > 32:
            continue
        if "rollandin" in word or word == row["artist"].lower():
            continue
        if word not in words:
            words.append(word)
    return words


class Look:
    """What the rules ask of the pixels."""

    def __init__(self, path):
        picture = Image.open(path).convert("RGB")
        self.width, self.height = picture.size
        pixels = list(picture.get_flattened_data() if hasattr(picture, "get_flattened_data") else picture.getdata())
        ink = [(i, p) for i, p in enumerate(pixels) if min(p) < 235]
        self.ink = len(ink) / len(pixels)
        self.colour = sum(max(p) - min(p) for _, p in ink) / max(1, len(ink))
        columns = [i % self.width for i, _ in ink] or [0]
        rows = [i // self.width for i, _ in ink] or [0]
        self.box = (max(columns) - min(columns) + 1) * (max(rows) - min(rows) + 1) / len(pixels)
        small = picture.convert("L").resize((9, 8), Image.Resampling.BOX).tobytes()
        self.hash = sum((small[9 * y + x] > small[9 * y + x + 1]) << (8 * y + x) for y in range(8) for x in range(8))

    def good(self, pattern):
        if min(self.width, self.height) < 96 or (max(self.width, self.height) < 200 and not pattern):
            return False
        if self.ink < 0.06 or self.box < 0.3:
            return False
        return self.colour >= 6 or self.ink >= 0.3  # an uncoloured outline says little to an encoder


def candidates(source):
    with open(source / "items.csv", newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    for row in rows:
        row["number"] = row["item_id"].removeprefix("oc")
        row["artist"] = artist(row["artist"])
        if row["category"] == "special":  # a catch-all; its patterns are worth a category
            row["category"] = row["subcategory"] or "special"
        words = " ".join((row["title"], row["keywords"], row["description"][:200], row["source_path"]))
        words = re.sub(r"\bhash\b", "", words, flags=re.IGNORECASE)
        if row["artist"] is None or row["subcategory"] in SUBCATEGORIES or "card" in row["keywords"].split("|"):
            continue
        if row["number"].lstrip("0") in REFUSED or WORDS.search(words):
            continue
        path = source / row["image"]
        row["size"] = path.stat().st_size
        if row["size"] < 1900:
            continue
        row["look"] = Look(path)
        if row["look"].good(row["subcategory"] == "patterns"):
            yield row


def title(row):
    """The title; the file's name where the title is that of a whole batch."""
    text = html.unescape(row["title"])
    if BATCH.search(text) or "rollandin" in text.lower() or not text.strip(" ."):
        text = pathlib.PurePath(row["source_path"]).stem
        artist_words = [w.lower() for w in re.split(r"\W+", row["artist"]) if w]
        words = [re.sub(r"\d+$", "", w) for w in re.split(r"[_\-]+", text)]
        words = [w for w in words if w not in CREDITS]
        while len(words) > 1 and len(words[-1]) > 1 and any(a.startswith(words[-1].lower()) for a in artist_words):
            words.pop()
        text = " ".join(words)
    text = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    text = re.sub(r"(-md)?-v\d[\d.]*$|-md$|-aj$|\.svg$|[_\s]+", " ", text).strip(' ."')
    text = re.sub(r"-aj$", "", text)
    return text[:1].upper() + text[1:]


def series(text):
    """A title's first words without numbers, colours and single letters."""
    text = re.sub(r"[\d_\-.,()#]+", " ", text.lower())
    words = [w for w in text.split() if len(w) > 1 and w not in
             {"red", "green", "blue", "yellow", "pink", "orange", "black", "white", "purple", "grey", "silver", "gold"}]
    return " ".join(words[:2])


def ranked(rows):
    """One category: artists take turns, those with several works first; look-alikes thinned out."""
    works = collections.Counter(r["artist"] for r in rows)
    turn = collections.Counter()
    for row in sorted(rows, key=lambda r: order(r["item_id"])):
        turn[row["artist"]] += 1
        row["turn"] = turn[row["artist"]]
    rows = sorted(rows, key=lambda r: (works[r["artist"]] < 3, r["turn"], order(r["item_id"])))
    kept, by_series = [], collections.Counter()
    for row in rows:
        alike = sum((row["look"].hash ^ other["look"].hash).bit_count() <= ALIKE_BITS for other in kept)
        if alike < ALIKE and by_series[series(title(row))] < SERIES:
            kept.append(row)
            by_series[series(title(row))] += 1
    return kept


def choose(rows):
    """Equal shares: one picture of every category in turn until the target or the bytes are reached."""
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row["category"]].append(row)
    groups = {name: group for name, group in groups.items() if len(group) >= SMALLEST}
    queues = {name: collections.deque(ranked(group)) for name, group in sorted(groups.items())}
    chosen, size = [], 0
    while any(queues.values()) and len(chosen) < TARGET:
        for queue in queues.values():
            if queue and len(chosen) < TARGET and size + queue[0]["size"] <= BYTES:
                size += queue[0]["size"]
                chosen.append(queue.popleft())
    return sorted(chosen, key=lambda r: r["item_id"])


def item_id(row):
    """How the gallery calls a picture; ItemPrefix in gallery.go is the same."""
    return "clipart-" + row["number"]


def write(chosen, source, gallery):
    shutil.rmtree(gallery, ignore_errors=True)
    (gallery / "images").mkdir(parents=True)
    bare = {r["item_id"] for r in sorted(chosen, key=lambda r: order("bare:" + r["item_id"]))[:WITHOUT_PICTURE]}
    with open(gallery / "items.csv", "w", newline="", encoding="utf-8") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["item_id", "title", "category", "subcategory", "artist", "keywords", "image"])
        for row in chosen:
            name = item_id(row)
            image = "" if row["item_id"] in bare else f"images/{name}.jpg"
            if image:
                shutil.copyfile(source / row["image"], gallery / image)
            table.writerow([name, title(row), row["category"], row["subcategory"].replace("_", " "),
                            row["artist"], "|".join(keywords(row)), image])
    shutil.copyfile(source / "COPYRIGHT-DEBIAN", gallery / "COPYRIGHT-DEBIAN")
    (gallery / "ATTRIBUTION.md").write_text(attribution(chosen), encoding="utf-8")


def attribution(chosen):
    works = collections.defaultdict(list)
    for row in chosen:
        works[row["artist"] or "artist not recorded"].append(row)
    lines = [
        "# The demo gallery's pictures", "",
        f"{len(chosen)} clip arts of the Open Clip Art Library, dedicated to the public domain by their artists:",
        "anyone may use, change and pass them on, also commercially. The dedication is in COPYRIGHT-DEBIAN, the",
        "copyright file of the Debian packages the pictures come from: openclipart-png and openclipart-svg",
        "1:0.18+dfsg-19 (sha256 f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02 and",
        "989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5). They were rendered on white, scaled to at",
        "most 256 pixels and saved as JPEG; title, artist, category and keywords come from the SVG files' metadata,",
        "e-mail addresses removed. Chosen by select_gallery.py.", "",
        f"{WITHOUT_PICTURE} of them are listed without their picture: they stand in for a shop's items that have none.",
        "",
        "| artist | works |", "|---|---|",
    ]
    for name in sorted(works, key=lambda n: (-len(works[n]), n.lower())):
        lines.append(f"| {name.replace('|', '/')} | {', '.join(item_id(r) for r in works[name])} |")
    lines += ["", "| item_id | file in the Debian package, below /usr/share/openclipart/png |", "|---|---|"]
    lines += [f"| {item_id(r)} | {r['source_path']} |" for r in chosen]
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    source = pathlib.Path(sys.argv[1])
    chosen = choose(list(candidates(source)))
    write(chosen, source, pathlib.Path(__file__).resolve().parent / "gallery")
    print(f"{len(chosen)} pictures, {sum(r['size'] for r in chosen):,} bytes")
    for field in ("category", "artist"):
        print(field, collections.Counter(r[field] for r in chosen).most_common(24))


if __name__ == "__main__":
    main()
