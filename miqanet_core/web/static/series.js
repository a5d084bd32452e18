"use strict";
(() => {
  const source = document.getElementById("chart-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const count = data.slices.length;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shown = (score) => (score === null ? "not scored" : (Math.floor(score * 10) / 10).toFixed(1));

  const viewer = document.getElementById("viewer");
  const slider = document.getElementById("slice-range");
  const opacity = document.getElementById("opacity-range");
  let current = data.first;
  let chart = null;

  const kept = new Map();
  function fetched(kind, index) {
    const key = `${kind}/${index}`;
    if (!kept.has(key)) {
      const image = new Image();
      image.src = `${data.pictures}${key}.png`;
      kept.set(key, image);
    }
    return kept.get(key);
  }

  function show(index) {
    current = Math.min(Math.max(index, 0), count - 1);
    if (viewer) {
      const label = `Slice ${current + 1} of ${count}: ${shown(data.slices[current].score)}`;
      const slice = document.getElementById("viewer-slice");
      slice.src = fetched("slice", current).src;
      slice.alt = label;
      document.getElementById("viewer-map").src = fetched("map", current).src;
      const s = data.slices[current];
      const named = Object.entries(s.artifacts).map(([name, severity]) => `${name.replaceAll("_", " ")} ${severity.toFixed(2)}`);
      document.getElementById("viewer-label").textContent = [label + (s.flagged ? " \u25B2 flagged" : ""), ...named].join(", ");
      slider.value = current + 1;
      slider.setAttribute("aria-valuetext", label);
      for (const near of [current - 1, current + 1]) {
        if (near >= 0 && near < count) { fetched("slice", near); fetched("map", near); }
      }
    }
    for (const thumb of document.querySelectorAll("[data-slice]")) {
      thumb.setAttribute("aria-pressed", String(Number(thumb.dataset.slice) === current));
    }
    if (chart) chart.redraw(false);
  }

  function setOpacity(percent) {
    opacity.value = percent;
    document.getElementById("viewer-map").style.opacity = percent / 100;
  }

  if (viewer) {
    slider.addEventListener("input", () => show(Number(slider.value) - 1));
    opacity.addEventListener("input", () => setOpacity(opacity.value));
    let before = 50;
    viewer.addEventListener("keydown", (event) => {
      const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
      if (step) show(current + step);
      else if (event.key === "Home") show(0);
      else if (event.key === "End") show(count - 1);
      else if (event.key === "m" || event.key === "M") {
        const now = Number(opacity.value);
        if (now > 0) before = now;
        setOpacity(now > 0 ? 0 : before);
      } else return;
      event.preventDefault();
    });
    viewer.addEventListener("wheel", (event) => { event.preventDefault(); show(current + Math.sign(event.deltaY)); }, { passive: false });
    setOpacity(50);
  }
  for (const thumb of document.querySelectorAll("[data-slice]")) {
    thumb.addEventListener("click", () => {
      show(Number(thumb.dataset.slice));
      const title = document.getElementById("viewer-title");
      if (title && title.getBoundingClientRect().top < 0) title.scrollIntoView();
    });
  }

  const place = document.getElementById("curve");
  function draw() {
    if (chart) chart.destroy();
    const numbers = data.slices.map((_, i) => i + 1);
    const all = data.slices.map((s) => s.score);
    const flagged = data.slices.map((s) => (s.flagged ? s.score : null));
    const font = "12px system-ui, sans-serif";
    const axis = { stroke: colour("--quiet"), font, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const triangles = (u, _, from, to) => {
      const size = 6 * devicePixelRatio;
      u.ctx.fillStyle = colour("--bad");
      for (let i = from; i <= to; i++) {
        if (flagged[i] === null) continue;
        const x = u.valToPos(numbers[i], "x", true), y = u.valToPos(flagged[i], "y", true);
        u.ctx.beginPath(); u.ctx.moveTo(x, y - size); u.ctx.lineTo(x + size, y + size); u.ctx.lineTo(x - size, y + size);
        u.ctx.fill();
      }
      return false;
    };
    chart = new uPlot({
      width: place.clientWidth, height: 230, legend: { show: false },
      scales: { x: { time: false, range: [0.5, count + 0.5] }, y: { range: [0, 100] } },
      axes: [{ ...axis, size: 28, incrs: [1, 2, 5, 10, 20, 50, 100] }, { ...axis, size: 36 }],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 9 } },
      series: [
        {},
        { stroke: colour("--accent"), width: 2, points: { show: count <= 80, size: 6, fill: colour("--accent"), space: 0 }, spanGaps: false },
        { stroke: "transparent", points: { show: triangles } },
      ],
      hooks: {
        drawClear: [(u) => {
          const left = u.bbox.left, right = left + u.bbox.width, floor = u.bbox.top + u.bbox.height;
          const y = (score) => u.valToPos(score, "y", true);
          u.ctx.fillStyle = colour("--bad-soft");
          u.ctx.globalAlpha = 0.5;
          u.ctx.fillRect(left, y(data.slice_flag), right - left, floor - y(data.slice_flag));
          u.ctx.globalAlpha = 1;
          const at = u.valToPos(current + 1, "x", true), half = u.bbox.width / count / 2;
          u.ctx.fillStyle = colour("--select");
          u.ctx.fillRect(at - Math.max(half, 3), u.bbox.top, 2 * Math.max(half, 3), u.bbox.height);
          u.ctx.strokeStyle = colour("--quiet");
          u.ctx.setLineDash([3 * devicePixelRatio, 4 * devicePixelRatio]);
          u.ctx.lineWidth = devicePixelRatio;
          u.ctx.beginPath(); u.ctx.moveTo(left, y(data.diagnostic)); u.ctx.lineTo(right, y(data.diagnostic)); u.ctx.stroke();
          u.ctx.setLineDash([]);
        }],
      },
    }, [numbers, all, flagged], place);
    chart.over.addEventListener("click", () => { if (chart.cursor.idx != null) show(chart.cursor.idx); });
  }
  draw();
  let width = place.clientWidth;
  new ResizeObserver(() => { if (place.clientWidth !== width) { width = place.clientWidth; draw(); } }).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  show(current);
})();
