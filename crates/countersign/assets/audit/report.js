// The charts of the page and the table of its changes. What the page says without this script stays as it is.
//
// Texts of the repository get into the document as text only (`textContent`, `setAttribute` of names that stand here), never as
// markup; a test holds this file to that.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  const DAY = 86400;
  const PAGE_ROWS = 50;
  const FEW = 3;

  const find = (id) => document.getElementById(id);
  const number = (n) => n.toLocaleString("en-US");
  const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;
  const percent = (part) => {
    const share = 100 * part;
    return share > 0 && share < 0.1 ? "<0.1%" : `${share.toFixed(1)}%`;
  };

  /** An element with attributes and children; a child is a node or a text. */
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== undefined && value !== null && value !== false) {
        element.setAttribute(name, value === true ? "" : String(value));
      }
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }

  // Charts.

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
  const counts = (most) => ({ grid: true, label: null, ticks: Math.min(5, most), tickFormat: most < 1000 ? "d" : "~s" });

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

  function swatch(key) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 10 10");
    svg.setAttribute("aria-hidden", "true");
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    rect.setAttribute("class", key);
    rect.setAttribute("width", "10");
    rect.setAttribute("height", "10");
    svg.append(rect);
    return svg;
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

  // The changes.

  let changes = null;

  async function unpack() {
    const packed = atob(find("changes-data").textContent.trim());
    const bytes = new Uint8Array(packed.length);
    for (let at = 0; at < packed.length; at += 1) bytes[at] = packed.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  /** The columns, with what is found out once. */
  function prepare(columns) {
    const count = columns.grade.length;
    let at = 0;
    const landed = columns.after.map((after) => (at += after));
    const reverted = new Map(columns.reverted.map(([change, by, days]) => [change, { by, days }]));
    const reverts = new Map(columns.reverts);
    const id = (change) => columns.ids.slice(change * columns.id_length, (change + 1) * columns.id_length);
    const months = landed.map((seconds) => iso(seconds).slice(0, -13));
    return { ...columns, count, landed, reverted, reverts, id, months, texts: null };
  }

  /** `2026-03-01T12:00:00Z`, for every year that a date can have. */
  function iso(seconds) {
    const date = new Date(seconds * 1000);
    return Number.isNaN(+date) ? "?-?-?T00:00:00Z" : `${date.toISOString().slice(0, -5)}Z`;
  }

  const words = (list, places) => places.map((place) => changes.words[list][place]);
  const word = (list, place) => changes.words[list][place];
  const grades = new Map(data.grades.map((grade) => [grade.key, grade]));
  const gradeOf = (change) => grades.get(word("grade", changes.grade[change]));

  /** The signals of a change, five numbers each. */
  function signals(change) {
    const flat = changes.signals[change];
    const found = [];
    for (let at = 0; at < flat.length; at += 5) {
      const [convention, says, who, text, decided] = flat.slice(at, at + 5);
      found.push({
        convention: word("convention", convention),
        says: word("says", says),
        who: who < 0 ? null : word("person", who),
        text: text < 0 ? null : word("text", text),
        decided: decided === 1,
      });
    }
    return found;
  }

  /** All that a search looks at, in small letters; made when somebody first searches. */
  function texts() {
    changes.texts ??= d3.range(changes.count).map((change) =>
      [
        changes.id(change),
        changes.subject ? changes.subject[change] : "",
        words("person", changes.contributors[change]).join("\n"),
        words("person", changes.reviewers[change]).join("\n"),
        gradeOf(change).label,
        signals(change).map((signal) => `${signal.convention} ${signal.who || ""}`).join("\n"),
        words("tool", changes.ai_tools[change]).join(" "),
        words("area", changes.areas[change]).join("\n"),
      ].join("\n").toLowerCase(),
    );
    return changes.texts;
  }

  const AFTER = { hour: [-Infinity, 1 / 24], day: [1 / 24, 1], week: [1, 7], month: [7, 30], year: [30, 365], later: [365, Infinity] };
  const has = (list, places, value) => {
    const place = changes.words[list].indexOf(value);
    return (change) => places(change).includes(place);
  };
  const oneOf = (value, of) => {
    const wanted = value.split(",");
    return (change) => wanted.includes(of(change));
  };

  /** By the name of a filter: whether a change passes, for a value. `label` is what a chip says. */
  const filters = {
    q: {
      passes(value) {
        const parts = value.toLowerCase().split(/\s+/).filter(Boolean);
        const all = texts();
        return (change) => parts.every((part) => all[change].includes(part));
      },
    },
    second: { passes: (value) => (change) => gradeOf(change).second_person === (value === "yes") },
    grade: { passes: (value) => oneOf(value, (change) => gradeOf(change).key) },
    ai: { passes: (value) => oneOf(value, (change) => word("ai", changes.ai[change])) },
    tool: { label: "AI tool", passes: (value) => has("tool", (change) => changes.ai_tools[change], value) },
    impact: { passes: (value) => has("impact", (change) => changes.impact[change], value) },
    area: { passes: (value) => has("area", (change) => changes.areas[change], value) },
    month: {
      passes(value) {
        const [from, to] = value.includes("..") ? value.split("..") : [value, value];
        return (change) => changes.months[change] >= from && changes.months[change].slice(0, to.length) <= to;
      },
    },
    reverted: {
      passes(value) {
        if (value === "no") return (change) => !changes.reverted.has(change);
        const [from, below] = AFTER[value] || [-Infinity, Infinity];
        return (change) => {
          const reverted = changes.reverted.get(change);
          return reverted !== undefined && reverted.days >= from && reverted.days < below;
        };
      },
    },
    reviewer: { label: "Reviewer", passes: (value) => has("person", (change) => changes.reviewers[change], value) },
    contributor: { label: "Contributor", passes: (value) => has("person", (change) => changes.contributors[change], value) },
    convention: {
      label: "Grade given by",
      passes: (value) => (change) => signals(change).some((signal) => signal.decided && signal.convention === value),
    },
    rule: {
      passes(value) {
        if (value === "any") return (change) => changes.stopped[change].length > 0;
        const rule = changes.words.rule.indexOf(value);
        return (change) => changes.stopped[change].some((stopped) => stopped[0] === rule);
      },
    },
    lacks: {
      label: "Lacks",
      passes(value, wanted) {
        const [rule, lacks] = [changes.words.rule.indexOf(wanted.rule), changes.words.lacks.indexOf(value)];
        return (change) => changes.stopped[change].some((stopped) => (rule < 0 || stopped[0] === rule) && stopped[2].includes(lacks));
      },
    },
    nobody: {
      label: "Too few could have approved",
      passes(value, wanted) {
        const rule = changes.words.rule.indexOf(wanted.rule);
        return (change) => changes.stopped[change].some((stopped) => (rule < 0 || stopped[0] === rule) && stopped[1] === 1);
      },
    },
    verdict: {
      label: "Verdict",
      passes(value) {
        const of = { asked: [null, null], denied: [true, null], "other-denied": [null, true], "allow-to-deny": [false, true], "deny-to-allow": [true, false] }[value] || [];
        return (change) => {
          const denied = changes.denied[change];
          return denied !== null && of.every((wanted, at) => wanted === null || denied[at] === wanted);
        };
      },
    },
  };

  const VERDICTS = {
    asked: "the rules were asked about it",
    denied: "denied by the rules as they stand",
    "other-denied": "denied by the second set",
    "allow-to-deny": "allowed by the first set, denied by the second",
    "deny-to-allow": "denied by the first set, allowed by the second",
  };

  /** What is asked for: values by filter, besides `order` and `page`. */
  let wanted = {};
  let found = [];

  function address(parts) {
    const pairs = Object.entries(parts).filter(([, value]) => value !== "" && value !== undefined);
    const text = pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
    return text === "" ? "#changes" : `#changes?${text}`;
  }

  function apply() {
    const tests = Object.entries(wanted)
      .filter(([name]) => Object.hasOwn(filters, name))
      .map(([name, value]) => filters[name].passes(value, wanted));
    found = d3.range(changes.count).filter((change) => tests.every((passes) => passes(change)));
    if (wanted.order !== "oldest") found.reverse();
    showForm();
    showRows();
  }

  function showForm() {
    const form = find("search");
    for (const field of form.querySelectorAll("[name]")) {
      const value = wanted[field.name] || "";
      // A link may ask for what no option offers, such as a month.
      if (field.tagName === "SELECT" && ![...field.options].some((option) => option.value === value)) {
        field.append(make("option", { value }, field.name === "grade" ? value.split(",").map((key) => (grades.get(key) || { label: key }).label).join(", ") : value));
      }
      if (field.value !== value) field.value = value;
    }
    const chips = Object.entries(wanted).filter(([name]) => Object.hasOwn(filters, name) && filters[name].label);
    find("filters").replaceChildren(
      ...chips.map(([name, value]) => {
        const { [name]: _, page: __, ...rest } = wanted;
        const text = value === "yes" ? filters[name].label : `${filters[name].label}: ${(name === "verdict" && VERDICTS[value]) || value}`;
        return make("a", { class: "chip", href: address(rest), "aria-label": `${text}. Take this filter away` }, text, " ×");
      }),
    );
  }

  function showRows() {
    const pages = Math.max(1, Math.ceil(found.length / PAGE_ROWS));
    const page = Math.min(pages, Math.max(1, Number.parseInt(wanted.page, 10) || 1));
    const from = (page - 1) * PAGE_ROWS;
    const rows = found.slice(from, from + PAGE_ROWS);
    const shown = rows.length === 0 ? "" : `, ${number(from + 1)} to ${number(from + rows.length)} shown`;
    find("count").textContent = `${number(found.length)} of ${plural(changes.count, "change")}${shown}`;
    if (rows.length === 0) {
      find("rows").replaceChildren(make("p", { class: "notice" }, "No change fits. Clear the search, or choose less."));
    } else {
      const heads = ["Landed", "Change", "Subject", "Grade", "By", "Reviewers", "Signs"];
      const left = data.anonymised ? heads.filter((head) => head !== "Subject") : heads;
      find("rows").replaceChildren(
        make("table", { class: "changes" },
          make("caption", { class: "hidden" }, "Landed changes"),
          make("thead", {}, make("tr", {}, left.map((head) => make("th", { scope: "col" }, head)))),
          make("tbody", {}, rows.map(row)),
        ),
      );
    }
    const { page: _, ...rest } = wanted;
    const step = (to, text) => (to < 1 || to > pages ? make("span", { class: "off" }, text) : make("a", { href: address({ ...rest, page: to === 1 ? "" : to }) }, text));
    find("pager").replaceChildren(...(pages === 1 ? [] : [step(page - 1, "‹ Previous"), make("span", {}, `Page ${number(page)} of ${number(pages)}`), step(page + 1, "Next ›")]));
  }

  const changeLink = (change, long) => make("a", { class: "id", href: `#change=${changes.id(change)}` }, long ? changes.id(change) : changes.id(change).slice(0, 10));

  function some(people) {
    const few = people.slice(0, FEW).join(", ");
    return people.length > FEW ? `${few} and ${people.length - FEW} more` : few;
  }

  function row(change) {
    const grade = gradeOf(change);
    const cell = (label, ...children) => make("td", { "data-label": label }, ...children);
    const ai = word("ai", changes.ai[change]);
    const signs = [
      ...(ai === "unknown" ? [] : [`AI ${ai}`]),
      ...words("impact", changes.impact[change]),
      ...(changes.reverted.has(change) ? ["taken back"] : []),
      ...(changes.reverts.has(change) ? ["takes back"] : []),
      ...(changes.stopped[change].length > 0 ? [`${plural(changes.stopped[change].length, "rule")} not met`] : []),
    ];
    return make("tr", {},
      cell("Landed", make("time", { datetime: iso(changes.landed[change]) }, iso(changes.landed[change]).slice(0, -10))),
      cell("Change", changeLink(change)),
      data.anonymised ? null : make("td", { "data-label": "Subject", class: "subject" }, make("bdi", {}, changes.subject[change] || "(no subject)")),
      cell("Grade", make("span", { class: "swatch" }, swatch(grade.key), grade.label)),
      make("td", { "data-label": "By", class: "by" }, make("bdi", {}, some(words("person", changes.contributors[change])))),
      cell("Reviewers", make("bdi", {}, some(words("person", changes.reviewers[change])) || "–")),
      cell("Signs", signs.length === 0 ? "–" : make("ul", { class: "signs" }, signs.map((sign) => make("li", {}, sign)))),
    );
  }

  // One change.

  const SAYS = {
    contributed: "had a hand in it",
    approved: "approved",
    nobody_approved: "nobody approved",
    landed: "landed it",
    platform: "a platform's rule",
    opaque: "cannot be told",
  };

  function span(days) {
    if (days < 2 / 24) return plural(Math.round(days * 24 * 60), "minute");
    if (days < 2) return plural(Math.round(days * 24), "hour");
    return plural(Math.round(days), "day");
  }

  function details(change) {
    const list = [];
    const say = (term, ...values) => {
      if (values.flat().length > 0) list.push(make("dt", {}, term), ...values.flat().map((value) => make("dd", {}, value)));
    };
    const people = (places) => words("person", places).map((name) => make("bdi", {}, name));
    const grade = gradeOf(change);
    const id = changes.id(change);
    say("Commit", make("code", {}, id));
    if (data.commits_at) say("On the forge", make("a", { href: data.commits_at + id, rel: "noopener noreferrer", target: "_blank" }, `${data.commits_at}${id.slice(0, 10)}…`));
    say("Landed", `${iso(changes.landed[change]).replace("T", " ").replace("Z", "")} UTC`);
    say("Grade", make("span", {}, make("span", { class: "swatch" }, swatch(grade.key), grade.label), ` – ${grade.meaning}`));
    say("Contributors", people(changes.contributors[change]));
    say("Reviewers", changes.reviewers[change].length ? people(changes.reviewers[change]) : ["git names nobody who had no hand in it"]);
    if (changes.brought[change] > 0) say("Brought in", plural(changes.brought[change], "commit"));
    const ai = word("ai", changes.ai[change]);
    const signs = [...words("tool", changes.ai_tools[change]), ...words("ai_signal", changes.ai_signals[change])];
    say("AI assistance", ai === "unknown" ? "unknown: nothing is said" : `${ai}${signs.length ? `: ${signs.join(", ")}` : ""}`);
    say("Paths that reach far", words("impact", changes.impact[change]).join(", ") || []);
    say("Areas", words("area", changes.areas[change]).join(", ") || []);
    const reverted = changes.reverted.get(change);
    if (reverted) say("Taken back by", make("span", {}, changeLink(reverted.by), ` after ${span(reverted.days)}`));
    say("Takes back", (changes.reverts.get(change) || []).map((other) => changeLink(other)));
    return make("dl", {}, list);
  }

  function evidence(change) {
    const found = signals(change);
    if (found.length === 0) return [make("h3", {}, "Evidence"), make("p", {}, "Nothing besides author and committer, who are the same person.")];
    return [
      make("h3", {}, "Evidence"),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Evidence" },
        make("table", {},
          make("caption", { class: "hidden" }, "What was found about a second person"),
          make("thead", {}, make("tr", {}, ["Convention", "Says", "Who", "Words"].map((head) => make("th", { scope: "col" }, head)))),
          make("tbody", {}, found.map((signal) => make("tr", { class: signal.decided ? "decided" : null },
            make("td", {}, make("code", {}, signal.convention), signal.decided ? make("span", { class: "tag" }, "gave the grade") : null),
            make("td", {}, SAYS[signal.says] || signal.says),
            make("td", {}, make("bdi", {}, signal.who || "–")),
            make("td", { class: "words" }, make("bdi", {}, signal.text || "–")),
          ))),
        ),
      ),
    ];
  }

  function verdict(change) {
    const denied = changes.denied[change];
    if (denied === null) return [make("h3", {}, "Rules"), make("p", {}, "No rule was asked: the change touches no path.")];
    const stopped = changes.stopped[change];
    const outcome = denied[0] ? "As they stand the rules would have denied it." : "As they stand the rules would have allowed it.";
    const second = data.compared ? ` The second set would have ${denied[1] ? "denied" : "allowed"} it.` : "";
    return [
      make("h3", {}, "Rules"),
      make("p", {}, (stopped.length === 0 ? "It met every rule that applied. " : "") + outcome + second),
      make("ul", {}, stopped.map(([rule, nobody, lacks]) => make("li", {},
        make("code", {}, word("rule", rule)), " was not met. It lacks: ", words("lacks", lacks).join("; "),
        nobody ? " (too few people could have given it)" : "", "."))),
    ];
  }

  function open(id) {
    const dialog = find("change");
    const all = changes.ids;
    let change = -1;
    if (/^[0-9a-f]{4,64}$/.test(id)) {
      for (let at = 0; at < changes.count && change < 0; at += 1) {
        if (all.startsWith(id, at * changes.id_length)) change = at;
      }
    }
    const close = make("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
    close.addEventListener("click", () => dialog.close());
    const body = change < 0
      ? [make("h2", { id: "change-title" }, "No such change"), make("p", {}, "No landed change of this page has that id. It may have landed outside the time that was read, or come in with a merge.")]
      : [
          make("p", { class: "kicker" }, "Landed change ", make("code", {}, changes.id(change).slice(0, 10))),
          make("h2", { id: "change-title" }, make("bdi", {}, (changes.subject && changes.subject[change]) || (data.anonymised ? "Subjects are left out, as they may name people" : "(no subject)"))),
          details(change), evidence(change), verdict(change),
        ];
    dialog.replaceChildren(close, ...body.flat());
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  // Where the address leads.

  function route() {
    const hash = location.hash.slice(1);
    const dialog = find("change");
    if (hash.startsWith("change=")) {
      open(hash.slice("change=".length));
      return;
    }
    if (dialog.open) dialog.close();
    if (hash === "changes" || hash.startsWith("changes?")) {
      const asked = Object.fromEntries(new URLSearchParams(hash.slice("changes?".length)));
      const turns = JSON.stringify({ ...asked, page: "" }) === JSON.stringify({ ...wanted, page: "" });
      wanted = asked;
      apply();
      // On a phone the form alone would fill the screen.
      const narrow = window.matchMedia("(max-width: 40rem)").matches;
      (narrow || (turns && asked.page) ? find("filters") : find("changes")).scrollIntoView();
    }
  }

  function replaceAddress(to) {
    // A page in a file may not be allowed to, in some browsers.
    try { history.replaceState(null, "", to); } catch { /* the address stays as it was */ }
  }

  function listen() {
    const form = find("search");
    let waiting = 0;
    const read = () => {
      const kept = Object.entries(wanted).filter(([name]) => Object.hasOwn(filters, name) && filters[name].label);
      wanted = Object.fromEntries(kept);
      for (const [name, value] of new FormData(form)) if (value !== "") wanted[name] = value;
      replaceAddress(address(wanted));
      apply();
    };
    form.addEventListener("input", (event) => {
      clearTimeout(waiting);
      waiting = setTimeout(read, event.target.name === "q" ? 200 : 0);
    });
    form.addEventListener("submit", (event) => { event.preventDefault(); read(); });
    form.addEventListener("reset", (event) => { event.preventDefault(); wanted = {}; replaceAddress(address(wanted)); apply(); });
    find("change").addEventListener("close", () => {
      if (location.hash.startsWith("#change=")) replaceAddress(address(wanted));
    });
    window.addEventListener("hashchange", route);
  }

  async function list() {
    const state = find("table-state");
    if (data.months.length === 0) return;
    state.textContent = "Unpacking the changes…";
    try {
      changes = prepare(await unpack());
    } catch (error) {
      state.className = "notice";
      state.textContent = `The changes cannot be unpacked here (${error.message}). A browser of 2023 or later can.`;
      return;
    }
    state.hidden = true;
    find("table").hidden = false;
    apply();
    listen();
    route();
    document.documentElement.dataset.ready = "yes";
  }

  let drawing = 0;
  draw();
  window.addEventListener("resize", () => {
    cancelAnimationFrame(drawing);
    drawing = requestAnimationFrame(draw);
  });
  list();
})();
