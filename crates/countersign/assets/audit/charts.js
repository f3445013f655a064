// The charts: Observable Plot draws them as SVG, in colours that are variables, so they follow the scheme and print.
"use strict";
(() => {
  const { data, number, plural, percent, make, swatch, address } = page;

  const month = (text) => new Date(`${text}-01T00:00:00Z`);
  const utc = d3.utcFormat;
  /** Months in which a change can have landed; others come from impossible dates. */
  const months = data.months.filter((row) => row.month >= "1990" && row.month < "2090" && row.month.length === 7);

  /** Months, quarters or years, whatever leaves a bar wide enough to be seen. */
  function periods(width) {
    if (months.length === 0) return { unit: "month", rows: [] };
    const first = month(months[0].month);
    const last = d3.utcMonth.offset(month(months[months.length - 1].month), 1);
    const widest = (width - 60) / 5;
    const units = [
      ["month", d3.utcMonth, utc("%B %Y")],
      ["quarter", d3.utcMonth.every(3), (date) => `Q${Math.floor(date.getUTCMonth() / 3) + 1} ${date.getUTCFullYear()}`],
      ["year", d3.utcYear, utc("%Y")],
    ];
    const [unit, interval, label] =
      units.find(([, interval]) => interval.range(interval.floor(first), last).length <= widest) || units[2];
    const rows = new Map();
    for (const row of months) {
      const from = interval.floor(month(row.month));
      const key = +from;
      const sum = rows.get(key) || { from, to: interval.offset(from), label: label(from), months: [], landed: 0, grades: data.grades.map(() => 0), ai: [0, 0, 0], reverted: 0 };
      sum.months.push(row.month);
      sum.landed += row.landed;
      sum.reverted += row.reverted;
      row.grades.forEach((n, at) => { sum.grades[at] += n; });
      row.ai.forEach((n, at) => { sum.ai[at] += n; });
      rows.set(key, sum);
    }
    return { unit, rows: [...rows.values()] };
  }

  const link = (row, more) => {
    const [first, last] = [row.months[0], row.months[row.months.length - 1]];
    return address({ month: first === last ? first : `${first}..${last}`, ...more });
  };

  const common = (width, figure) => ({
    width,
    className: "plot-d6a7b5",
    style: { fontSize: "12px", overflow: "visible", fontFamily: "inherit" },
    ariaLabel: figure.dataset.title,
    ariaDescription: figure.dataset.describes,
  });
  /** An axis of whole numbers. */
  const counts = (most) => ({ grid: true, label: null, ticks: Math.min(5, most), tickFormat: (n) => (n < 1000 ? String(n) : d3.format("~s")(n)) });

  /** Bars over time. One bar alone would fill the chart, so there is always room for a few. */
  function overTime(width, figure, rows, unit, y, marks) {
    const last = rows[rows.length - 1];
    const step = { month: d3.utcMonth, quarter: d3.utcMonth.every(3), year: d3.utcYear }[unit];
    const from = rows[0].from;
    const until = new Date(Math.max(+last.to, +step.offset(from, 6)));
    return Plot.plot({
      ...common(width, figure),
      height: 250,
      marginLeft: 44,
      marginRight: 12,
      x: { type: "utc", domain: [from, until], label: null, ticks: Math.min(rows.length + 1, Math.max(3, Math.floor(width / 90))) },
      y,
      marks: [...marks, Plot.ruleY([0])],
    });
  }

  const charts = {
    "chart-grades"(figure, width) {
      const { unit, rows } = periods(width);
      // Piled up with the strongest below.
      const bars = rows.flatMap((row) => data.grades.map((grade, at) => ({ row, grade, n: row.grades[at] }))).filter((bar) => bar.n > 0);
      if (bars.length === 0) return null;
      legend(figure, data.grades.map((grade) => [grade.key, grade.label]), `One bar a ${unit}`);
      return overTime(width, figure, rows, unit, counts(d3.max(rows, (row) => row.landed)), [
        Plot.rectY(bars, Plot.stackY({ order: null }, {
          x1: (bar) => bar.row.from,
          x2: (bar) => bar.row.to,
          y: "n",
          fill: (bar) => `var(--${bar.grade.key})`,
          insetLeft: 0.5,
          insetRight: 0.5,
          href: (bar) => link(bar.row, { grade: bar.grade.key }),
          title: (bar) => `${bar.row.label}\n${bar.grade.label}: ${number(bar.n)} of ${number(bar.row.landed)}`,
          tip: true,
        })),
      ]);
    },

    "chart-ai"(figure, width) {
      const { unit, rows } = periods(width);
      const kinds = [["declared", "Declared"], ["inferred", "Inferred"]];
      const bars = rows.flatMap((row) => kinds.map(([key, label], at) => ({ row, key, label, n: row.ai[at] }))).filter((bar) => bar.n > 0);
      if (bars.length === 0) return null;
      legend(figure, kinds, `One bar a ${unit}; a bar of 100% would be all changes`);
      const most = d3.max(rows, (row) => (row.ai[0] + row.ai[1]) / row.landed);
      const y = { grid: true, label: null, domain: [0, Math.min(1, most * 1.1)], tickFormat: most < 0.05 ? ".1%" : ".0%", ticks: 5 };
      return overTime(width, figure, rows, unit, y, [
        Plot.rectY(bars, Plot.stackY({ order: null }, {
          x1: (bar) => bar.row.from,
          x2: (bar) => bar.row.to,
          y: (bar) => bar.n / bar.row.landed,
          fill: (bar) => `var(--${bar.key})`,
          insetLeft: 0.5,
          insetRight: 0.5,
          href: (bar) => link(bar.row, { ai: bar.key }),
          title: (bar) => `${bar.row.label}\n${bar.label}: ${number(bar.n)} of ${number(bar.row.landed)} (${percent(bar.n / bar.row.landed)})`,
          tip: true,
        })),
      ]);
    },

    "chart-reverts"(figure, width) {
      const { unit, rows } = periods(width);
      const bars = rows.filter((row) => row.reverted > 0);
      if (bars.length === 0) return null;
      legend(figure, [["reverted", "Later taken back"]], `One bar a ${unit}`);
      return overTime(width, figure, rows, unit, counts(d3.max(bars, (row) => row.reverted)), [
        Plot.rectY(bars, {
          x1: "from",
          x2: "to",
          y: "reverted",
          fill: "var(--reverted)",
          insetLeft: 0.5,
          insetRight: 0.5,
          href: (row) => link(row, { reverted: "any" }),
          title: (row) => `${row.label}\n${number(row.reverted)} of ${number(row.landed)} later taken back`,
          tip: true,
        }),
      ]);
    },

    "chart-reviewers"(figure, width) {
      const all = d3.sum(data.reviewers);
      if (all === 0) return null;
      let sum = 0;
      const points = [{ people: 0, share: 0 }, ...data.reviewers.map((n, at) => ({ people: at + 1, share: (sum += n) / all }))];
      const half = points.find((point) => point.share >= 0.5);
      const text = `${plural(half.people, "person", "people")}: half`;
      return Plot.plot({
        ...common(width, figure),
        height: 230,
        marginLeft: 44,
        marginBottom: 40,
        marginRight: 20,
        x: { label: "Busiest reviewers", labelAnchor: "center", labelArrow: "none", domain: [0, data.reviewers.length], tickFormat: (n) => (Number.isInteger(n) ? number(n) : ""), ticks: Math.min(data.reviewers.length, 8) },
        y: { label: null, domain: [0, 1], grid: true, tickFormat: ".0%", ticks: 4 },
        marks: [
          Plot.ruleY([0]),
          Plot.areaY(points, { x: "people", y: "share", fill: "var(--named)", fillOpacity: 0.15 }),
          Plot.lineY(points, { x: "people", y: "share", stroke: "var(--named)", strokeWidth: 2 }),
          Plot.ruleX([half], { x: "people", y1: 0, y2: "share", stroke: "var(--ink)", strokeDasharray: "3 3" }),
          Plot.dot([half], { x: "people", y: "share", fill: "var(--named)", r: 4 }),
          Plot.text([half], { x: "people", y: "share", text: () => text, textAnchor: "start", dx: 9, dy: 9, fill: "var(--ink)", stroke: "var(--paper)", strokeWidth: 4 }),
        ],
      });
    },

    "chart-curve"(figure, width) {
      const points = data.curve.map((point, at) => ({ ...point, place: at + 1 }));
      if (points.length === 0) return null;
      const line = [{ stopped_share: 0, reverted_share: 0 }, ...points];
      // Rules that add nearly nothing stand on one another: their numbers are written once.
      const places = [];
      for (const point of points) {
        const before = places[places.length - 1];
        const near = (name) => before && Math.abs(before[name] - point[name]) < 0.04;
        if (near("stopped_share") && near("reverted_share")) {
          Object.assign(before, { last: point.place, rules: `${before.rules}, ${point.rule}`, stopped_share: point.stopped_share, reverted_share: point.reverted_share });
        } else {
          places.push({ ...point, last: point.place, rules: point.rule });
        }
      }
      const label = (point) => (point.place === point.last ? `${point.place}` : `${point.place}–${point.last}`);
      const share = { domain: [0, 1], tickFormat: ".0%", ticks: 4, grid: true };
      return Plot.plot({
        ...common(width, figure),
        height: Math.min(360, width * 0.8),
        marginLeft: 50,
        marginBottom: 42,
        marginRight: 24,
        marginTop: 28,
        x: { ...share, label: "Share of all changes that are stopped", labelAnchor: "center", labelArrow: "none" },
        y: { ...share, label: "Share of taken back changes that are caught", labelAnchor: "top", labelArrow: "none" },
        marks: [
          Plot.ruleY([0]),
          Plot.line([[0, 0], [1, 1]], { stroke: "var(--quiet)", strokeDasharray: "4 4" }),
          Plot.line(line, { x: "stopped_share", y: "reverted_share", stroke: "var(--stopped)", strokeWidth: 2 }),
          Plot.dot(places, { x: "stopped_share", y: "reverted_share", r: 5, fill: "var(--stopped)", title: (point) => `${point.rules}\nstops ${percent(point.stopped_share)} of all changes\ncatches ${percent(point.reverted_share)} of those taken back`, tip: true }),
          Plot.text(places, { x: "stopped_share", y: "reverted_share", text: label, dx: -8, dy: -10, textAnchor: "end", fontWeight: 600, fill: "var(--ink)", stroke: "var(--paper)", strokeWidth: 4 }),
        ],
      });
    },
  };

  function legend(figure, entries, note) {
    const caption = figure.querySelector("figcaption");
    caption.replaceChildren(
      make("span", { class: "title" }, figure.dataset.title),
      make("span", { class: "quiet" }, note),
      make("span", { class: "legend" }, entries.map(([key, label]) => make("span", { class: "swatch" }, swatch(key), label))),
    );
  }

  function draw() {
    for (const figure of document.querySelectorAll("figure.chart")) {
      const place = figure.querySelector(".plot");
      const width = Math.floor(place.clientWidth);
      if (width === 0 || place.dataset.width === String(width)) continue;
      place.dataset.width = width;
      const chart = charts[figure.id] && charts[figure.id](figure, width);
      if (!chart) {
        figure.hidden = true;
        continue;
      }
      chart.setAttribute("role", "img");
      // The table holds the same links, without a hundred stops on the way through the page.
      chart.querySelectorAll("a").forEach((a) => a.setAttribute("tabindex", "-1"));
      place.replaceChildren(chart);
    }
  }

  let drawing = 0;
  draw();
  window.addEventListener("resize", () => {
    cancelAnimationFrame(drawing);
    drawing = requestAnimationFrame(draw);
  });
})();
