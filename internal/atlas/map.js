// The map of a report: points along three principal components on a canvas. data comes from the page.
"use strict";
(() => {
  const byID = (id) => document.getElementById(id);
  const canvas = byID("map"), tip = byID("tip"), legend = byID("legend");
  const draw = canvas.getContext("2d");
  const sprite = new Image();
  sprite.onload = () => paint();
  sprite.src = getComputedStyle(document.querySelector(".thumb.picture") || canvas).backgroundImage.slice(5, -2);

  const start = { turn: 0.6, tilt: 0.35, zoom: 1, x: 0, y: 0 };
  let view = { ...start };
  let picked = null; // a value of the legend
  let hovered = -1;
  let projected = []; // [x, y, depth, item] in the order of painting

  const map = () => data.maps[byID("space").value];
  const color = () => data.colors[byID("color").value];
  const flat = () => byID("flat").checked;

  const ramp = (t) => { // dark blue over green to yellow
    const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
    const at = Math.min(Math.floor(t * 4), 3), f = t * 4 - at;
    return "rgb(" + stops[at].map((c, k) => Math.round(c + f * (stops[at + 1][k] - c))).join() + ")";
  };
  const other = data.palette[data.palette.length - 1];
  const colorOf = (i) => {
    const c = color();
    if (!c) return data.palette[0];
    if (c.numbers) return c.numbers[i] < 0 ? other : ramp(c.numbers[i]);
    return c.of[i] < 0 ? other : data.palette[c.of[i]];
  };
  const faded = (i) => picked !== null && color().of[i] !== picked;

  function project() {
    const w = canvas.clientWidth, h = canvas.clientHeight;
    const [sinT, cosT, sinE, cosE] = [Math.sin(view.turn), Math.cos(view.turn), Math.sin(view.tilt), Math.cos(view.tilt)];
    const size = Math.min(w, h) * 0.5 * view.zoom / 1000;
    projected = map().at.map(([x, y, z], i) => {
      if (flat()) return [w / 2 + view.x + x * size * 1.3, h / 2 + view.y - y * size * 1.3, 0, i];
      const along = x * cosT - z * sinT, back = x * sinT + z * cosT;
      const up = y * cosE - back * sinE, depth = y * sinE + back * cosE;
      const near = 3000 / (3000 + depth);
      return [w / 2 + along * size * near * 1.15, h / 2 - up * size * near * 1.15, depth, i];
    });
    projected.sort((a, b) => b[2] - a[2] || a[3] - b[3]);
  }

  function paint() {
    const scale = window.devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    draw.setTransform(scale, 0, 0, scale, 0, 0);
    project();
    const pictures = byID("pictures").checked && sprite.naturalWidth > 0;
    for (const [x, y, depth, i] of projected) {
      const near = flat() ? 1 : Math.max(0.35, Math.min(1, 0.75 - depth / 2400));
      draw.globalAlpha = faded(i) ? 0.06 : near;
      if (pictures && data.picture[i]) {
        paintPicture(i, x, y, 26 * (flat() ? 1 : 0.6 + near / 2));
      } else {
        draw.fillStyle = colorOf(i);
        draw.beginPath();
        draw.arc(x, y, flat() ? 3.4 : 2 + 2 * near, 0, 7);
        draw.fill();
      }
    }
    draw.globalAlpha = 1;
    if (hovered >= 0) paintHovered();
  }

  function paintPicture(i, x, y, size) {
    const side = data.side;
    draw.drawImage(sprite, (i % data.columns) * side, Math.floor(i / data.columns) * side, side, side, x - size / 2, y - size / 2, size, size);
    draw.strokeStyle = colorOf(i);
    draw.lineWidth = 1.5;
    draw.strokeRect(x - size / 2, y - size / 2, size, size);
  }

  function paintHovered() {
    const at = projected.find((p) => p[3] === hovered);
    draw.strokeStyle = "#1c2430";
    draw.lineWidth = 2;
    draw.beginPath();
    draw.arc(at[0], at[1], 8, 0, 7);
    draw.stroke();
  }

  function valueOf(i) {
    const c = color();
    if (!c) return "";
    if (!c.numbers) return c.name + ": " + (c.of[i] < 0 ? "another or none" : c.values[c.of[i]]);
    return c.numbers[i] < 0 ? c.name + ": none" : c.name + ": " + Math.round(100 * c.numbers[i]) + " % of " + c.ends[0] + " to " + c.ends[1];
  }

  function showTip(x, y) {
    tip.replaceChildren();
    tip.style.display = hovered < 0 ? "none" : "block";
    if (hovered < 0) return;
    const i = hovered;
    if (data.picture[i]) {
      const thumb = document.createElement("div");
      thumb.className = "thumb picture";
      thumb.style.backgroundPosition = `-${(i % data.columns) * data.side}px -${Math.floor(i / data.columns) * data.side}px`;
      thumb.style.zoom = 2;
      tip.append(thumb);
    }
    for (const [tag, text] of [["b", data.titles[i]], ["div", data.ids[i]], ["div", valueOf(i)]]) {
      const line = document.createElement(tag);
      line.textContent = text;
      if (text) tip.append(line);
    }
    const left = x + 16 + tip.offsetWidth > canvas.clientWidth ? x - 16 - tip.offsetWidth : x + 16;
    tip.style.left = Math.max(0, left) + "px";
    tip.style.top = Math.max(0, Math.min(y - 20, canvas.clientHeight - tip.offsetHeight - 6)) + "px";
  }

  function hover(x, y) {
    let best = 12 * 12, found = -1;
    for (let k = projected.length - 1; k >= 0; k--) { // the nearest to the eye first
      const d = (projected[k][0] - x) ** 2 + (projected[k][1] - y) ** 2;
      if (d < best && !faded(projected[k][3])) [best, found] = [d, projected[k][3]];
    }
    if (found !== hovered) {
      hovered = found;
      paint();
    }
    showTip(x, y);
  }

  function showLegend() {
    legend.replaceChildren();
    const c = color();
    if (!c) return;
    const title = document.createElement("b");
    title.textContent = c.name;
    legend.append(title);
    if (c.numbers) {
      const bar = document.createElement("div");
      bar.className = "ramp";
      bar.style.background = "linear-gradient(90deg," + [0, 0.25, 0.5, 0.75, 1].map(ramp).join() + ")";
      legend.append(bar, c.ends[0] + " to " + c.ends[1]);
      return;
    }
    [...c.values, "another or none"].forEach((name, k) => {
      const value = k < c.values.length ? k : -1;
      const line = document.createElement("div"), dot = document.createElement("i");
      dot.style.background = value < 0 ? other : data.palette[value];
      line.append(dot, name);
      line.title = name;
      if (picked !== null && picked !== value) line.className = "faded";
      line.onclick = () => { picked = picked === value ? null : value; showLegend(); paint(); };
      legend.append(line);
    });
  }

  function explain() {
    const shares = map().explained.slice(0, flat() ? 2 : 3).map((e) => (100 * e).toFixed(1) + " %");
    byID("explained").textContent = "the axes explain " + shares.join(" + ") + " of the variance";
  }

  const choose = () => { picked = null; showLegend(); explain(); paint(); };
  const options = (id, names) => {
    names.forEach((name, k) => byID(id).add(new Option(name, k)));
    byID(id).onchange = choose;
  };
  options("space", data.maps.map((m) => m.name));
  options("color", (data.colors || []).map((c) => c.name));
  for (const id of ["flat", "deep", "pictures"]) byID(id).onchange = choose;
  byID("reset").onclick = () => { view = { ...start }; choose(); };

  let grip = null;
  canvas.onpointerdown = (e) => { grip = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); canvas.className = "turning"; };
  canvas.onpointerup = canvas.onpointercancel = () => { grip = null; canvas.className = ""; };
  canvas.onpointerleave = () => { hovered = -1; showTip(0, 0); paint(); };
  canvas.onpointermove = (e) => {
    if (!grip) return hover(e.offsetX, e.offsetY);
    move(e.clientX - grip[0], e.clientY - grip[1]);
    grip = [e.clientX, e.clientY];
  };
  canvas.onwheel = (e) => {
    e.preventDefault();
    view.zoom = Math.max(0.5, Math.min(12, view.zoom * Math.exp(-e.deltaY / 600)));
    paint();
  };
  canvas.onkeydown = (e) => {
    const step = { ArrowLeft: [-18, 0], ArrowRight: [18, 0], ArrowUp: [0, -18], ArrowDown: [0, 18] }[e.key];
    if (!step) return;
    e.preventDefault();
    move(...step);
  };
  // move shifts the flat map and turns the deep one, by pixels.
  function move(across, down) {
    if (flat()) {
      view.x += across;
      view.y += down;
    } else {
      view.turn += across / 180;
      view.tilt = Math.max(-1.5, Math.min(1.5, view.tilt + down / 180));
    }
    hovered = -1;
    showTip(0, 0);
    paint();
  }
  window.onresize = paint;
  if (data.maps && data.maps.length) choose();
})();
