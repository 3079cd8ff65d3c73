// SPDX-License-Identifier: MIT
// Draws the plots of a page: their data are in #plots, their places are the figures. Colours come from page.css, so that
// the dark and the printed page have theirs.
"use strict";
(() => {
    const plots = JSON.parse(document.getElementById("plots").textContent);
    const COLOURS = 14;
    const groups = {};
    const drawn = [];  // of each plot: what draws it again
    const names = [];  // of the series; a name has one colour on the whole page
    const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

    function colour(name) {
        name = name.toLowerCase();
        if (!names.includes(name)) names.push(name);
        return `var(--s${names.indexOf(name) % COLOURS})`;
    }
    const ink = (name) => css(colour(name).slice(4, -1));

    function scaled(value, units) {
        const [size, unit] = units.find(([size]) => Math.abs(value) >= size) || units[units.length - 1];
        return `${+(value / size).toPrecision(3)} ${unit}`;
    }

    const write = {
        ns: (v) => v === 0 ? "0" : scaled(v, [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]]),
        percent: (v) => `${+v.toPrecision(3)} %`,
        share: (v) => `${+(100 * v).toPrecision(3)} %`,
        count: (v) => v >= 1e6 ? `${+(v / 1e6).toPrecision(4)} M` : Math.round(v).toLocaleString("en"),
        number: (v) => Math.abs(v) >= 1e3 ? write.count(v) : `${+v.toPrecision(3)}`,
    };

    const element = (tag, parent, more = {}) => parent.appendChild(Object.assign(document.createElement(tag), more));

    // Plots with axes

    function shade(plot, u) {
        const ratio = devicePixelRatio, { top, left, width, height } = u.bbox, c = u.ctx;
        c.save();
        c.beginPath();
        c.rect(left, top, width, height);
        c.clip();
        c.fillStyle = css("--closed");
        for (const [from, to] of plot.bands) {
            const x = u.valToPos(from, "x", true);
            c.fillRect(x, top, Math.max(ratio, u.valToPos(to, "x", true) - x), height);
        }
        c.restore();
    }

    function mark(plot, u) {
        const c = u.ctx, ratio = devicePixelRatio, { top, left, width, height } = u.bbox;
        c.save();
        c.strokeStyle = c.fillStyle = css("--soft");
        c.lineWidth = ratio;
        c.font = `${12 * ratio}px system-ui, sans-serif`;
        c.textBaseline = "top";
        c.textAlign = "left";
        for (const { at, name } of plot.marks) {
            const x = u.valToPos(at, "x", true);
            if (x < left || x > left + width) continue;
            c.setLineDash([4 * ratio, 4 * ratio]);
            c.beginPath();
            c.moveTo(x, top);
            c.lineTo(x, top + height);
            c.stroke();
            const room = c.measureText(name).width + 4 * ratio;
            c.fillText(name, x + room > left + width ? x - room : x + 4 * ratio, top + 2 * ratio);
        }
        c.restore();
    }

    function follow(group, source, key) {  // the others of the group show the same part of the x axis
        if (key !== "x") return;
        const { min, max } = source.scales.x;
        for (const other of group) {
            if (other !== source && (other.scales.x.min !== min || other.scales.x.max !== max)) other.setScale("x", { min, max });
        }
    }

    const whole = [...Array(13).keys()].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));

    function axis(unit, log, more) {
        const values = (u, splits) => splits.map((v) => v === null ? "" : write[unit](v));
        return { stroke: () => css("--soft"), grid: { stroke: () => css("--line"), width: 1 },
                 ticks: { stroke: () => css("--line"), width: 1 }, values, font: "12px system-ui, sans-serif",
                 ...(unit === "count" && !log ? { incrs: whole } : {}), ...more };
    }

    function room(u, values, number, cycle) {  // for the words beside an axis
        if (cycle > 1) return u.axes[number]._size;
        return Math.max(70, 18 + 7 * Math.max(0, ...(values || []).map((value) => value.length)));
    }

    function lines(plot, place) {
        const few = !plot.steps && plot.x.length <= 20;  // what was measured is told from what lies between
        const group = plot.group ? groups[plot.group] ||= [] : [];
        const marker = (series) => series && plot.series.length > 1 ? colour(series.name) : "var(--s1)";
        const range = plot.y_range || (plot.y_log ? undefined : (u, low, high) => [Math.min(0, low), high > 0 ? high * 1.05 : 1]);
        const options = {
            width: place.clientWidth, height: plot.series.length > 4 ? 320 : 220,
            cursor: plot.group ? { sync: { key: plot.group } } : {},
            legend: { live: true, markers: { stroke: (u, i) => marker(plot.series[i - 1]) } },  // follows the paper
            scales: {
                x: { time: false, distr: plot.x_log ? 3 : 1 },
                y: { distr: plot.y_log ? 3 : 1, range },
            },
            axes: [axis(plot.x_unit, plot.x_log, { space: 70, size: 34 }), axis(plot.y_unit, plot.y_log, { size: room })],
            series: [
                { label: plot.x_unit === "ns" ? "time" : "x", value: (u, v) => v === null ? "–" : write[plot.x_unit](v) },
                ...plot.series.map(({ name }) => ({
                    label: name, stroke: () => plot.series.length > 1 ? ink(name) : css("--s1"), width: 1.6, points: { show: few },
                    paths: plot.steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
                    value: (u, v) => v === null || v === undefined ? "–" : write[plot.y_unit](v),
                })),
            ],
            hooks: {
                drawClear: [(u) => shade(plot, u)],
                draw: [(u) => mark(plot, u)],
                setScale: [(u, key) => follow(group, u, key)],
            },
        };
        const positive = (values, log) => log ? values.map((v) => v > 0 ? v : null) : values;
        const data = [plot.x, ...plot.series.map(({ values }) => positive(values, plot.y_log))];
        const u = new uPlot(options, data, place);
        group.push(u);
        return (width) => u.width === width ? u.redraw(false, true) : u.setSize({ width, height: options.height });
    }

    // Flows of pages, as a Sankey diagram. Each side has half of the width for its words: of a long name its end shows.

    const LETTER = 8; // pixels that one takes, at most in the mean

    function flow(plot, place) {
        const total = plot.links.reduce((sum, [, , value]) => sum + value, 0);
        const ends = (side) => {
            const sums = new Map();
            for (const link of plot.links) sums.set(link[side], (sums.get(link[side]) || 0) + link[2]);
            return [...sums].map(([name, value]) => ({ name, value, used: 0 }));
        };
        const svg = (tag, attributes, text = "") => {
            const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
            for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
            node.textContent = text;
            return node;
        };

        function draw(width) {
            const columns = [ends(0), ends(1)], bar = 12, gap = 26, top = 18;
            const most = Math.max(...columns.map((column) => column.length));
            const height = 300 + gap * most, room = height - top - gap * most;
            const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img" });
            columns.forEach((column, side) => {
                let y = top;
                for (const end of column) {
                    Object.assign(end, { y, height: Math.max(1, room * end.value / total), x: side ? width - bar : 0 });
                    y += end.height + gap;
                }
            });
            for (const [source, target, value] of plot.links) {
                const a = columns[0].find((end) => end.name === source), b = columns[1].find((end) => end.name === target);
                const thick = Math.max(1, room * value / total), left = bar, right = width - bar, middle = width / 2;
                const y0 = a.y + a.used, y1 = b.y + b.used;
                a.used += thick;
                b.used += thick;
                const path = `M${left},${y0}C${middle},${y0} ${middle},${y1} ${right},${y1}V${y1 + thick}` +
                    `C${middle},${y1 + thick} ${middle},${y0 + thick} ${left},${y0 + thick}Z`;
                const ribbon = svg("path", { d: path, class: "ribbon", style: `fill:${colour(source)}` });
                ribbon.append(svg("title", {}, `${source} → ${target}: ${value.toLocaleString("en")} ${plot.unit}`));
                root.append(ribbon);
            }
            const letters = Math.floor(width / 2 / LETTER);
            columns.forEach((column, side) => column.forEach((end) => {
                root.append(svg("rect", { x: end.x, y: end.y, width: bar, height: end.height, style: `fill:${colour(end.name)}` }));
                const head = side ? "to " : "from ", tail = ` ${end.value.toLocaleString("en")}`;
                const room = Math.max(4, letters - head.length - tail.length);
                const name = end.name.length > room ? `…${end.name.slice(1 - room)}` : end.name;
                const text = svg("text", { x: side ? width : 0, y: end.y - 5, "text-anchor": side ? "end" : "start" },
                                 head + name + tail);
                if (name !== end.name) text.append(svg("title", {}, end.name));
                root.append(text);
            }));
            place.replaceChildren(root);
        }
        draw(place.clientWidth);
        return draw;
    }

    // Parts of a whole

    function bar(plot, place) {
        const total = plot.parts.reduce((sum, [, value]) => sum + value, 0);
        const parts = element("div", place, { className: "parts" }), key = element("ul", place, { className: "key" });
        for (const [name, value] of plot.parts) {
            const said = `${name}: ${value.toLocaleString("en")} (${write.percent(100 * value / total)})`;
            element("span", parts, { title: said }).style.cssText = `flex:${value} 0 0;background:${colour(name)}`;
            const item = element("li", key);
            element("i", item).style.background = colour(name);
            item.append(said);
        }
        return () => {};
    }

    const kinds = { lines, flow, bar };
    for (const figure of document.querySelectorAll("figure[data-plot]")) {
        const plot = plots[+figure.dataset.plot], place = figure.querySelector(".plot");
        drawn.push([place, kinds[plot.kind](plot, place)]);
    }

    const redraw = (width) => drawn.forEach(([place, again]) => again(width || place.clientWidth));
    let pending = 0;
    addEventListener("resize", () => {
        cancelAnimationFrame(pending);
        pending = requestAnimationFrame(() => redraw());
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());
    let opened = [];  // on paper nothing can be opened
    addEventListener("beforeprint", () => {
        opened = [...document.querySelectorAll("details:not([open])")];
        for (const details of opened) details.open = true;
        redraw(680);  // fits A4 and Letter
    });
    addEventListener("afterprint", () => {
        for (const details of opened) details.open = false;
        redraw();
    });
})();
