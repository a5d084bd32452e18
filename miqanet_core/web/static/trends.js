"use strict";
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const ratio = devicePixelRatio;

  // A point that says something differs in shape, too: a triangle outside the limits, a square in a run.
  function marks(data) {
    return (u, _, from, to) => {
      for (let i = from; i <= to; i++) {
        const p = data.points[i], x = u.valToPos(i + 1, "x", true), y = u.valToPos(p.score, "y", true);
        const size = (p.outside ? 6 : p.run ? 4 : 3) * ratio;
        u.ctx.fillStyle = colour(p.outside ? "--bad" : p.run ? "--fair" : "--accent");
        u.ctx.beginPath();
        if (p.outside) { u.ctx.moveTo(x, y - size); u.ctx.lineTo(x + size, y + size); u.ctx.lineTo(x - size, y + size); }
        else if (p.run) u.ctx.rect(x - size, y - size, 2 * size, 2 * size);
        else u.ctx.arc(x, y, size, 0, 2 * Math.PI);
        u.ctx.fill();
      }
      return false;
    };
  }

  function limits(data) {
    return (u) => {
      const left = u.bbox.left, right = left + u.bbox.width, y = (score) => u.valToPos(score, "y", true);
      const line = (score, dash, width) => {
        u.ctx.setLineDash(dash.map((d) => d * ratio)); u.ctx.lineWidth = width * ratio;
        u.ctx.beginPath(); u.ctx.moveTo(left, y(score)); u.ctx.lineTo(right, y(score)); u.ctx.stroke();
        u.ctx.setLineDash([]);
      };
      if (data.low !== null) {
        u.ctx.fillStyle = colour("--good-soft"); u.ctx.globalAlpha = 0.55;
        u.ctx.fillRect(left, y(data.high), right - left, y(data.low) - y(data.high)); u.ctx.globalAlpha = 1;
        u.ctx.strokeStyle = colour("--good"); line(data.low, [6, 4], 1.2); line(data.high, [6, 4], 1.2);
        const end = u.valToPos(data.reference + 0.5, "x", true);
        u.ctx.strokeStyle = colour("--quiet"); u.ctx.setLineDash([2 * ratio, 3 * ratio]);
        if (data.reference < data.points.length) { u.ctx.beginPath(); u.ctx.moveTo(end, u.bbox.top); u.ctx.lineTo(end, u.bbox.top + u.bbox.height); u.ctx.stroke(); }
        u.ctx.setLineDash([]); u.ctx.fillStyle = colour("--quiet"); u.ctx.font = `${11 * ratio}px system-ui, sans-serif`;
        u.ctx.textAlign = "left"; u.ctx.textBaseline = "bottom";
        u.ctx.fillText("reference", left + 4 * ratio, u.bbox.top + u.bbox.height - 3 * ratio);
      }
      if (data.centre !== null) { u.ctx.strokeStyle = colour("--good"); line(data.centre, [], 1.4); }
    };
  }

  function draw(place) {
    const data = JSON.parse(place.parentElement.querySelector(".trend-data").textContent);
    place.replaceChildren();
    const count = data.points.length;
    if (!count) return;
    const numbers = data.points.map((_, i) => i + 1), scores = data.points.map((p) => p.score);
    const values = data.low === null ? scores : [...scores, data.low, data.high];
    const low = Math.max(0, Math.floor(Math.min(...values) / 10) * 10 - 5), high = Math.min(100, Math.ceil(Math.max(...values) / 10) * 10 + 5);
    const font = "12px system-ui, sans-serif";
    const axis = { stroke: colour("--quiet"), font, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const day = (n) => (Number.isInteger(n) && n >= 1 && n <= count ? new Date(data.points[n - 1].at * 1000).toLocaleDateString(undefined, { month: "short", day: "numeric" }) : "");
    const tip = document.createElement("p");
    tip.className = "tip";
    const chart = new uPlot({
      width: place.clientWidth, height: 210, legend: { show: false },
      scales: { x: { time: false, range: [0.3, count + 0.7] }, y: { range: [low, high] } },
      axes: [{ ...axis, size: 28, space: 70, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500], values: (_, ticks) => ticks.map(day) }, { ...axis, size: 36 }],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 10 } },
      series: [{}, { stroke: colour("--line"), width: 1.2, points: { show: marks(data) } }],
      hooks: {
        drawClear: [limits(data)],
        setCursor: [(u) => {
          const p = u.cursor.idx == null ? null : data.points[u.cursor.idx];
          tip.textContent = p ? `${new Date(p.at * 1000).toLocaleString()}: ${(Math.floor(p.score * 10) / 10).toFixed(1)}${p.flagged ? ", flagged" : ""}` : "";
        }],
      },
    }, [numbers, scores], place);
    place.append(tip);
    chart.over.addEventListener("click", () => { if (chart.cursor.idx != null) location.href = `/series/${data.points[chart.cursor.idx].series}`; });
  }

  for (const place of document.querySelectorAll(".trend-chart")) {
    let width = 0;
    new ResizeObserver(() => { if (place.clientWidth !== width) { width = place.clientWidth; draw(place); } }).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(place));
  }
})();
