// The explorer: a network by its eigenvalues, and two tanh units, each beside its flows.
//
// The first half computes: small dense matrices, the readings of a linear network, two tanh units. It touches no document
// and runs under Node too, in the tests. The second half draws. `mount(root)` starts it on a page, the default export in
// Jupyter (anywidget).

export const READINGS = ["textbook", "forward:1", "backward:1", "tustin", "exact"];

// Square matrices are Float64Arrays of n * n numbers, row by row.
const order = (A) => Math.round(Math.sqrt(A.length));

export function identity(n) {
  const A = new Float64Array(n * n);
  for (let i = 0; i < n; i++) A[i * n + i] = 1;
  return A;
}

// a A + b B
function combined(a, A, b, B) {
  const C = new Float64Array(A.length);
  for (let i = 0; i < C.length; i++) C[i] = a * A[i] + b * B[i];
  return C;
}

export function product(A, B) {
  const n = order(A), C = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < n; k++) {
      const a = A[i * n + k];
      if (a !== 0) for (let j = 0; j < n; j++) C[i * n + j] += a * B[k * n + j];
    }
  return C;
}

function times(A, v) {
  const n = v.length, w = new Float64Array(n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) w[i] += A[i * n + j] * v[j];
  return w;
}

// The largest sum of moduli in a row.
function sizeOf(A) {
  const n = order(A);
  let largest = 0;
  for (let i = 0; i < n; i++) {
    let total = 0;
    for (let j = 0; j < n; j++) total += Math.abs(A[i * n + j]);
    if (!(total <= largest)) largest = total;
  }
  return largest;
}

// The inverse by Gauss-Jordan elimination with pivots; null where the matrix is singular to rounding.
export function inverse(A) {
  const n = order(A), size = sizeOf(A), M = A.slice(), R = identity(n);
  const swap = (X, i, k) => {
    for (let j = 0; j < n; j++) [X[i * n + j], X[k * n + j]] = [X[k * n + j], X[i * n + j]];
  };
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(M[i * n + k]) > Math.abs(M[pivot * n + k])) pivot = i;
    if (!(Math.abs(M[pivot * n + k]) > 1e-14 * size)) return null;
    if (pivot !== k) swap(M, k, pivot), swap(R, k, pivot);
    const p = 1 / M[k * n + k];
    for (let j = 0; j < n; j++) (M[k * n + j] *= p), (R[k * n + j] *= p);
    for (let i = 0; i < n; i++) {
      const f = M[i * n + k];
      if (i === k || f === 0) continue;
      for (let j = 0; j < n; j++) (M[i * n + j] -= f * M[k * n + j]), (R[i * n + j] -= f * R[k * n + j]);
    }
  }
  return R;
}

// exp(A) by scaling, Taylor's series and squaring (Moler & Van Loan, SIAM Review 45, 2003).
export function exponential(A) {
  const halvings = Math.max(0, Math.ceil(Math.log2(sizeOf(A) / 0.5 || 1))), one = identity(order(A));
  const small = combined(2 ** -halvings, A, 0, A);
  let total = one;
  for (let k = 16; k > 0; k--) total = combined(1, one, 1 / k, product(small, total));
  for (let k = 0; k < halvings; k++) total = product(total, total);
  return total;
}

// The principal square root by the product form of Denman and Beavers (Higham, Functions of Matrices, 6.4).
function squareRoot(A) {
  const one = identity(order(A));
  let X = A, M = A;
  for (let k = 0; k < 60; k++) {
    const inverted = inverse(M);
    if (!inverted) return null;
    X = product(X, combined(0.5, one, 0.5, inverted));
    M = combined(0.5, one, 0.25, combined(1, M, 1, inverted));
    if (sizeOf(combined(1, M, -1, one)) < 1e-15 * order(A)) break;
  }
  return X;
}

// The largest singular value: Householder's tridiagonal form of A'A, and bisection of its Sturm sequence.
export function spectralNorm(A) {
  const n = order(A);
  let size = 0;
  for (const a of A) if (!(Math.abs(a) <= size)) size = Math.abs(a);
  if (!(size > 0) || !Number.isFinite(size)) return size;
  const B = combined(1 / size, A, 0, A), S = new Float64Array(n * n);
  for (let k = 0; k < n; k++)
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) S[i * n + j] += B[k * n + i] * B[k * n + j];
  const diagonal = new Float64Array(n), beside = new Float64Array(n), v = new Float64Array(n);
  for (let k = 0; k < n - 1; k++) {
    let square = 0;
    v.fill(0);
    for (let i = k + 1; i < n; i++) square += (v[i] = S[i * n + k]) ** 2;
    const length = Math.sqrt(square);
    beside[k] = square;
    if (k === n - 2 || length === 0) continue;
    square += length * Math.abs(v[k + 1]);
    v[k + 1] += v[k + 1] < 0 ? -length : length;
    const p = times(S, v);
    let inner = 0;
    for (let i = 0; i < n; i++) inner += v[i] * (p[i] /= square);
    for (let i = 0; i < n; i++) p[i] -= (inner / (2 * square)) * v[i];
    for (let i = k; i < n; i++) for (let j = k; j < n; j++) S[i * n + j] -= v[i] * p[j] + p[i] * v[j];
  }
  for (let k = 0; k < n; k++) diagonal[k] = S[k * n + k];
  const isAbove = (x) => {
    let q = 1;
    for (let i = 0; i < n; i++) {
      q = diagonal[i] - x - (i ? beside[i - 1] / (q || 1e-300) : 0);
      if (q > 0) return false;
    }
    return true;
  };
  let low = 0, high = n * n;
  for (let k = 0; k < 56; k++) isAbove((low + high) / 2) ? (high = (low + high) / 2) : (low = (low + high) / 2);
  return size * Math.sqrt((low + high) / 2);
}

// --- a linear network, h -> W h, by its modes ---------------------------------------------------------------------

// A mode is a real multiplier {re, im: 0} or a conjugate pair {re, im > 0, skew}: a block of one or of two rows.
export const sizeOfModes = (modes) => modes.reduce((n, mode) => n + (mode.im ? 2 : 1), 0);

// W: the blocks of the modes on the diagonal, `coupling` times `upper` above them (ones beside the diagonal if not given).
// A matrix that was given keeps its size: its `upper` fits no other number of rows.
export function matrixOf(modes, coupling = 0, upper = null) {
  const n = sizeOfModes(modes), W = new Float64Array(n * n);
  let at = 0;
  for (const { re, im, skew = 1 } of modes) {
    const end = at + (im ? 2 : 1);
    for (let i = at; i < end; i++) {
      W[i * n + i] = re;
      for (let j = end; j < n; j++) W[i * n + j] = coupling * (upper ? upper[i * n + j] : j === i + 1 ? 1 : 0);
    }
    if (im) {
      W[at * n + at + 1] = -im * skew;
      W[(at + 1) * n + at] = im / skew;
    }
    at = end;
  }
  return W;
}

// Why a reading does not exist for these multipliers, in words; empty where it does.
export function obstacle(reading, modes) {
  const near = (z) => modes.some(({ re, im }) => Math.hypot(re - z, im) < 1e-12);
  if (reading !== "forward:1" && reading !== "tustin" && near(0)) return "a multiplier is 0";
  if (reading === "tustin" && near(-1)) return "a multiplier is -1";
  if (reading === "exact" && modes.some(({ re, im }) => re < 0 && !im)) return "a multiplier is negative";
  return "";
}

// g(multiplier) as [real, imaginary]: the exponent of the reading, per step.
export function exponentOf(reading, { re, im }) {
  const square = re * re + im * im;
  if (reading === "textbook") return [re, im];
  if (reading === "forward:1") return [re - 1, im];
  if (reading === "backward:1") return [1 - re / square, im / square];
  if (reading === "exact") return [Math.log(square) / 2, Math.atan2(im, re)];
  const bottom = (re + 1) ** 2 + im * im;
  return [(2 * (square - 1)) / bottom, (4 * im) / bottom];
}

// exp(g(W) / parts): what the flow of a reading does in a part of a step; null where the reading does not exist.
export function propagator(reading, W, modes, parts) {
  if (obstacle(reading, modes)) return null;
  const one = identity(order(W));
  if (reading === "exact") {
    let root = W;
    for (let k = 1; k < parts && root; k *= 2) root = squareRoot(root);
    return root;
  }
  let A = W;
  if (reading === "forward:1") A = combined(1, W, -1, one);
  else if (reading !== "textbook") {
    const inverted = inverse(reading === "tustin" ? combined(1, W, 1, one) : W);
    if (!inverted) return null;
    A = reading === "tustin" ? product(combined(2, W, -2, one), inverted) : combined(1, one, -1, inverted);
  }
  return exponential(combined(1 / parts, A, 0, A));
}

// DECAYS, PERSISTS, GROWS or UNDETERMINED, by the largest growth among the modes and whether those at zero may be defective.
export function verdictOf(growths, isDefective) {
  const largest = Math.max(...growths);
  if (largest > 1e-9) return "GROWS";
  if (largest < -1e-9) return "DECAYS";
  return isDefective ? "UNDETERMINED" : "PERSISTS";
}

export function verdicts(modes, coupling = 0) {
  const close = (a, b) => Math.hypot(a.re - b.re, a.im - b.im) < 1e-6;
  const isDefective = coupling !== 0 && modes.some((a, i) => modes.some((b, j) => i < j && close(a, b)));
  const found = { network: verdictOf(modes.map(({ re, im }) => Math.log(Math.hypot(re, im))), isDefective) };
  for (const reading of READINGS)
    found[reading] = obstacle(reading, modes)
      ? "does not exist"
      : verdictOf(modes.map((mode) => exponentOf(reading, mode)[0]), isDefective);
  return found;
}

// What the page shows: the network's samples and each reading's curve from h0, and the norms of W^k and exp(g(W) k).
// Sizes beyond 1e300 are left out (null). `parts` must be a power of two.
export function explored(modes, { coupling = 0, upper = null, steps = 20, parts = 8, unit = 0 } = {}) {
  const W = matrixOf(modes, coupling, upper), n = order(W);
  const clip = (value) => (Math.abs(value) < 1e300 ? value : null);
  const followed = (P, count) => {
    const line = [1];
    let h = new Float64Array(n).fill(1);
    for (let k = 0; k < count; k++) line.push(clip((h = times(P, h))[unit]));
    return line;
  };
  const norms = (P) => {
    const line = [1];
    let power = identity(n);
    for (let k = 0; k < steps; k++) line.push(clip(spectralNorm((power = product(power, P)))));
    return line;
  };
  const found = { W, network: { states: followed(W, steps), norms: norms(W) } };
  for (const reading of READINGS) {
    const P = propagator(reading, W, modes, parts);
    if (!P) {
      found[reading] = { states: null, norms: null, reason: obstacle(reading, modes) || "W is singular to rounding" };
      continue;
    }
    let whole = P;
    for (let k = 1; k < parts; k *= 2) whole = product(whole, whole);
    found[reading] = { states: followed(P, steps * parts), norms: norms(whole) };
  }
  return found;
}

// --- two tanh units: the map h -> tanh(W h) and the flow dh/dt = tanh(W h) - h -------------------------------------
// W is [a, b, c, d], row by row; states are [x, y].

const step = ([a, b, c, d], [x, y]) => [Math.tanh(a * x + b * y), Math.tanh(c * x + d * y)];

function velocity(W, h) {
  const [x, y] = step(W, h);
  return [x - h[0], y - h[1]];
}

// The Jacobian of the map at h; that of the flow is this less the identity.
function jacobian(W, h) {
  const [x, y] = step(W, h), [p, q] = [1 - x * x, 1 - y * y];
  return [p * W[0], p * W[1], q * W[2], q * W[3]];
}

// Both eigenvalues of a 2 x 2 matrix as [real, imaginary], the larger real part first.
export function eigenvalues([a, b, c, d]) {
  const middle = (a + d) / 2, square = ((a - d) / 2) ** 2 + b * c, root = Math.sqrt(Math.abs(square));
  return square < 0 ? [[middle, root], [middle, -root]] : [[middle + root, 0], [middle - root, 0]];
}

export function mapOrbit(W, h, steps) {
  const states = [h];
  for (let k = 0; k < steps; k++) states.push((h = step(W, h)));
  return states;
}

// The classical Runge-Kutta method with `parts` steps a unit of time.
export function flowOrbit(W, h, duration, parts = 16) {
  const states = [h], d = 1 / parts;
  const moved = ([x, y], c) => [h[0] + c * x, h[1] + c * y];
  for (let k = 0; k < duration * parts; k++) {
    const k1 = velocity(W, h), k2 = velocity(W, moved(k1, d / 2));
    const k3 = velocity(W, moved(k2, d / 2)), k4 = velocity(W, moved(k3, d));
    h = [0, 1].map((i) => h[i] + (d / 6) * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]));
    states.push(h);
  }
  return states;
}

function newton(W, x, y) {
  for (let k = 0; k < 40; k++) {
    const [a, b, c, d] = jacobian(W, [x, y]), [u, v] = velocity(W, [x, y]);
    const determinant = (a - 1) * (d - 1) - b * c;
    const [dx, dy] = [(u * (d - 1) - b * v) / determinant, ((a - 1) * v - u * c) / determinant];
    [x, y] = [x - dx, y - dy];
    if (!(Math.abs(dx) + Math.abs(dy) > 1e-15)) break;
  }
  return Math.hypot(...velocity(W, [x, y])) < 1e-12 ? [x, y] : null;
}

// The fixed points, which the map and the flow share, with their multipliers and kinds: Newton's method from a grid.
export function fixedPoints(W) {
  const found = [], starts = [-1, -0.8, -0.55, -0.3, -0.1, 0, 0.1, 0.3, 0.55, 0.8, 1];
  for (const x of starts)
    for (const y of starts) {
      const h = newton(W, x, y);
      if (!h || found.some(({ point }) => Math.hypot(point[0] - h[0], point[1] - h[1]) < 1e-6)) continue;
      const multipliers = eigenvalues(jacobian(W, h));
      const map = kindOf(multipliers.map(([re, im]) => Math.log(Math.hypot(re, im))));
      found.push({ point: h, multipliers, map, flow: kindOf(multipliers.map(([re]) => re - 1)) });
    }
  return found.sort((a, b) => a.point[0] - b.point[0] || a.point[1] - b.point[1]);
}

function kindOf([a, b]) {
  if (Math.max(a, b) < -1e-9) return "stable";
  if (Math.min(a, b) > 1e-9) return "unstable";
  return a * b < 0 ? "saddle" : "boundary";
}

// --- what the page remembers, and its link ---------------------------------------------------------------------------

export const PRESETS = {
  "0.5: the network decays, exp(W t) grows": { modes: [{ re: 0.5, im: 0 }] },
  "-2: the network grows, exp(W t) decays": { modes: [{ re: -2, im: 0 }] },
  "0.9i: decays, persists, grows": { modes: [{ re: 0, im: 0.9 }] },
  "near the circle": { modes: [{ re: 0.98, im: 0 }, { re: 0.7, im: 0.69 }] },
  "non-normal: grows before it decays": { modes: [0.5, 0.55, 0.6, 0.65].map((re) => ({ re, im: 0 })), coupling: 1.5 },
  "eight modes": {
    modes: [0, 1, 2, 3, 4, 5, 6, 7].map((k) => ({ re: round(0.9 * Math.cos(0.15 + 0.36 * k)), im: round(0.9 * Math.sin(0.15 + 0.36 * k)) })),
  },
};

// The first three are g R(60°): the multipliers of the origin are g exp(±60° i).
export const WEIGHTS = {
  "g = 0.9: the origin is stable": [0.45, -0.7794, 0.7794, 0.45],
  "g = 1.5: the map has a circle (Neimark–Sacker at g = 1)": [0.75, -1.299, 1.299, 0.75],
  "g = 2.2: the flow has one too (Hopf at g = 2)": [1.1, -1.9053, 1.9053, 1.1],
  "four stable points": [2, 0.2, -0.2, 2],
};

const MOST_WEIGHT = 3; // the reach of the plane of weights

function round(x) {
  return Math.round(x * 1000) / 1000 + 0;
}

export function writtenMode({ re, im }) {
  return im ? `${round(re)}+${round(im)}i` : `${round(re)}`;
}

// The state as the part of a link after #, and back. What cannot be read is left as it was. A matrix that was given is in no
// link: the page opens with it.
export function toLink({ tab, modes, coupling, weights, upper }) {
  if (tab === "units") return `tab=units&W=${weights.map(round).join(",")}`;
  if (upper) return "";
  return `tab=modes&modes=${modes.map(writtenMode).join(",")}&coupling=${round(coupling)}`;
}

export function fromLink(text, state) {
  const values = new URLSearchParams(text.replace(/^#/, "").replace(/\+/g, "%2B"));
  const next = { ...state };
  if (["modes", "units"].includes(values.get("tab"))) next.tab = values.get("tab");
  const modes = (values.get("modes") || "").split(",").map((part) => /^(-?[0-9.]+)(?:\+([0-9.]+)i)?$/.exec(part));
  if (modes.length <= 16 && modes.every(Boolean)) Object.assign(next, { modes: modes.map(([, re, im]) => ({ re: +re, im: +(im || 0) })), upper: null });
  const coupling = Number(values.get("coupling"));
  if (values.get("coupling") && coupling >= 0 && coupling <= 2) next.coupling = coupling;
  const weights = (values.get("W") || "").split(",").map(Number);
  if (weights.length === 4 && weights.every((w) => Math.abs(w) <= MOST_WEIGHT)) next.weights = weights;
  return next;
}

// Python code that computes what the page shows.
export function snippet({ tab, modes, coupling, weights, upper }) {
  const rows = (W, n) => [...Array(n).keys()].map((i) => `    [${[...W.slice(i * n, i * n + n)].map(round).join(", ")}],`);
  if (tab === "units")
    return [
      "import jax.numpy as jnp, rnn_ode as ro", "W = jnp.array([", ...rows(weights, 2), "])",
      "cell = ro.VanillaCell(W, jnp.zeros((2, 1)), jnp.zeros(2), jnp.tanh)",
      "guesses = jnp.stack(jnp.meshgrid(*[jnp.linspace(-1, 1, 9)] * 2), -1).reshape(-1, 2)",
      "for system in (ro.Map(cell, jnp.zeros(1)), ro.Flow(ro.to_ode(cell, ro.Forward(1)), jnp.zeros(1))):",
      "    found = ro.fixed_points(system, guesses)",
      "    print(found.points[: found.count], found.kind_names, found.verdict_names)",
    ].join("\n");
  const W = matrixOf(modes, coupling, upper);
  return [
    "import jax.numpy as jnp, rnn_ode as ro", "W = jnp.array([", ...rows(W, order(W)), "])", "s = ro.spectrum(W)",
    'print("network", ro.verdict_name(s.discrete))',
    "for method in (ro.Textbook(), ro.Forward(1), ro.Backward(1), ro.Tustin(), ro.Exact()):",
    '    print(method.label, ro.verdict_name(s.continuous(method)) if s.exists(method) else "does not exist")',
    "print(ro.transient(W).peak)",
  ].join("\n");
}

// --- drawing ---------------------------------------------------------------------------------------------------------

// The colours of the package's pictures. Where curves meet, dashes let the one below show.
export const COLOURS = { network: "var(--ink)", textbook: "#b43c00", "forward:1": "#c38700", "backward:1": "#784bb4", tustin: "#3ca578", exact: "#005af0" };
const DASHES = { textbook: "", "forward:1": "", "backward:1": "", tustin: "6 4", exact: "" };
const RUNS = ["#005af0", "#c38700", "#3ca578", "#b43c00", "#784bb4"]; // from five starts

const STYLE = `
.rnn-explorer { --ink: #1a1a1a; --paper: #ffffff; --faint: #00000022; font: 15px/1.4 system-ui, sans-serif; color: var(--ink); background: var(--paper); padding: 12px; }
@media (prefers-color-scheme: dark) { .rnn-explorer { --ink: #ececec; --paper: #16181c; --faint: #ffffff2a; } }
.rnn-explorer .panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, var(--least)), 1fr)); gap: 12px; }
.rnn-explorer svg { width: 100%; height: auto; display: block; user-select: none; }
.rnn-explorer svg text { fill: var(--ink); font-size: 12px; }
.rnn-explorer .handle { cursor: grab; touch-action: none; fill: var(--paper); stroke: var(--ink); stroke-width: 2.5; }
.rnn-explorer .handle:focus-visible { outline: none; stroke: #1e96ff; stroke-width: 5; }
.rnn-explorer button, .rnn-explorer select { font: inherit; color: inherit; background: transparent; border: 1px solid var(--ink); border-radius: 5px; padding: 3px 9px; max-width: 100%; }
.rnn-explorer select option { color: #1a1a1a; }
.rnn-explorer [role=tab][aria-selected=true] { background: var(--ink); color: var(--paper); }
.rnn-explorer .controls { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 6px 0; }
.rnn-explorer table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.rnn-explorer td, .rnn-explorer th { text-align: left; padding: 2px 6px; border-bottom: 1px solid var(--faint); font-weight: normal; }
.rnn-explorer .unlike { font-weight: 700; }
.rnn-explorer p { margin: 6px 0; }
.rnn-explorer pre { overflow-x: auto; border: 1px solid var(--faint); border-radius: 5px; padding: 8px; font-size: 12.5px; }
`;

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "circle", "line", "text", "rect", "clipPath"].includes(name);
  const made = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    key.startsWith("on") ? made.addEventListener(key.slice(2), value) : made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// A plot with axes: `place(x, y)` in pixels, `line(points, …)`, and ticks. Values outside are cut off.
let plots = 0;
function plot(width, height, [x0, x1], [y0, y1], { label, square = false, ticks = (y) => `${y}` }) {
  const [left, right, top, bottom] = [42, 8, 8, 26], id = `rnn-clip-${plots++}`;
  const place = (x, y) => [left + ((x - x0) / (x1 - x0)) * (width - left - right), height - bottom - ((y - y0) / (y1 - y0)) * (height - top - bottom)];
  const inside = element("g", { "clip-path": `url(#${id})` }), axes = element("g", {});
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label },
    element("clipPath", { id }, element("rect", { x: left, y: top, width: width - left - right, height: height - top - bottom })),
    axes, inside);
  const every = (low, high, count) => {
    const raw = (high - low) / count, unit = 10 ** Math.floor(Math.log10(raw));
    const gap = unit * [1, 2, 5, 10].find((m) => m * unit >= raw);
    const found = [];
    for (let k = Math.ceil(low / gap); k * gap <= high + 1e-9; k++) found.push(round(k * gap));
    return found;
  };
  for (const x of every(x0, x1, 6)) {
    const [at] = place(x, 0);
    axes.append(element("line", { x1: at, x2: at, y1: top, y2: height - bottom, stroke: "var(--faint)" }));
    axes.append(Object.assign(element("text", { x: at, y: height - 9, "text-anchor": "middle" }), { textContent: `${x}` }));
  }
  for (const y of every(y0, y1, square ? 6 : 5)) {
    const at = place(0, y)[1];
    axes.append(element("line", { x1: left, x2: width - right, y1: at, y2: at, stroke: "var(--faint)" }));
    axes.append(Object.assign(element("text", { x: left - 5, y: at + 4, "text-anchor": "end" }), { textContent: ticks(y) }));
  }
  const line = (points, stroke, dash = "", size = 2) => {
    let d = "", isDown = false;
    for (const point of points) {
      if (!point || !point.every(Number.isFinite)) { isDown = false; continue; }
      const [x, y] = place(...point), far = (v) => Math.max(-1e4, Math.min(1e4, v)).toFixed(1);
      d += `${isDown ? "L" : "M"}${far(x)} ${far(y)}`;
      isDown = true;
    }
    const path = element("path", { d, fill: "none", stroke, "stroke-width": size, "stroke-dasharray": dash });
    inside.append(path);
    return path;
  };
  const dots = (points, colour, size = 3) => {
    const at = points.filter((point) => point && point.every(Number.isFinite)).map((point) => place(...point).map((v) => v.toFixed(1)));
    const d = at.map(([x, y]) => `M${x} ${y}h0`).join("");
    inside.append(element("path", { d, stroke: colour, "stroke-width": 2 * size, "stroke-linecap": "round" }));
  };
  const back = (px, py) => [x0 + ((px - left) / (width - left - right)) * (x1 - x0), y0 + ((height - bottom - py) / (height - top - bottom)) * (y1 - y0)];
  return { svg, inside, place, back, line, dots };
}

// A point that is dragged, or moved by the arrow keys (0.01, with shift 0.1), as far as `reach`. `moved(x, y)` is told each time.
function handle(plane, name, reach, moved, released) {
  let at = [0, 0];
  const circle = element("circle", { class: "handle", r: 10, tabindex: 0, role: "slider", "aria-label": name, "aria-valuemin": -reach, "aria-valuemax": reach });
  const move = (x, y) => moved(within(x, reach), within(y, reach));
  circle.addEventListener("pointerdown", (event) => {
    circle.setPointerCapture(event.pointerId);
    circle.focus();
    event.preventDefault();
  });
  circle.addEventListener("pointermove", (event) => {
    if (!circle.hasPointerCapture(event.pointerId)) return;
    const box = plane.svg.getBoundingClientRect(), view = plane.svg.viewBox.baseVal;
    move(...plane.back(((event.clientX - box.left) / box.width) * view.width, ((event.clientY - box.top) / box.height) * view.height));
  });
  circle.addEventListener("pointerup", released);
  circle.addEventListener("pointercancel", released);
  circle.addEventListener("keydown", (event) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] || [0, 0];
    if (!dx && !dy) return;
    event.preventDefault();
    const by = event.shiftKey ? 0.1 : 0.01;
    move(at[0] + dx * by, at[1] + dy * by);
    released();
  });
  plane.svg.append(circle);
  return {
    circle,
    put(x, y, text) {
      at = [x, y];
      const [cx, cy] = plane.place(x, y);
      circle.setAttribute("cx", cx);
      circle.setAttribute("cy", cy);
      circle.setAttribute("aria-valuenow", round(x));
      circle.setAttribute("aria-valuetext", text);
    },
  };
}

const within = (x, limit) => Math.max(-limit, Math.min(limit, x));

// The mode that a handle at x + i y makes of a mode. A real one that leaves the axis becomes a pair, and a pair that reaches
// the axis a real one, unless the matrix must keep its size (`isFixed`).
export function movedMode(mode, x, y, isFixed) {
  if (isFixed) return { ...mode, re: x, im: mode.im ? Math.max(0.005, Math.abs(y)) : 0 };
  return { ...mode, re: x, im: Math.abs(y) < (mode.im ? 0.005 : 0.03) ? 0 : Math.abs(y) };
}

// The plane of multipliers with the borders of decay, and a handle for each mode.
function planeOfModes(state, changed, released) {
  const reach = 2.2, plane = plot(380, 380, [-reach, reach], [-reach, reach], { label: "multipliers in the complex plane", square: true });
  const turn = (centre, radius) => [...Array(121).keys()].map((k) => [centre + radius * Math.cos((k * Math.PI) / 60), radius * Math.sin((k * Math.PI) / 60)]);
  plane.line(turn(0, 1), COLOURS.network, "", 2.5);
  plane.line([[0, -9], [0, 9]], COLOURS.textbook, DASHES.textbook);
  plane.line([[1, -9], [1, 9]], COLOURS["forward:1"]);
  plane.line(turn(0.5, 0.5), COLOURS["backward:1"], DASHES["backward:1"]);
  let handles = [], mirrors = [];
  return {
    svg: plane.svg,
    update() {
      if (handles.length !== state.modes.length) {
        for (const { circle } of [...handles, ...mirrors]) circle.remove();
        mirrors = state.modes.map(() => ({ circle: element("circle", { r: 6, fill: "none", stroke: "var(--ink)", "stroke-width": 1.5 }) }));
        for (const { circle } of mirrors) plane.svg.append(circle);
        handles = state.modes.map((_, k) =>
          handle(plane, `multiplier ${k + 1}`, reach, (x, y) => {
            state.modes[k] = movedMode(state.modes[k], x, y, Boolean(state.upper));
            changed();
          }, released));
      }
      state.modes.forEach((mode, k) => {
        handles[k].put(mode.re, mode.im, mode.im ? `${round(mode.re)} ± ${round(mode.im)} i` : `${round(mode.re)}`);
        const [cx, cy] = plane.place(mode.re, -mode.im);
        mirrors[k].circle.setAttribute("cx", cx);
        mirrors[k].circle.setAttribute("cy", cy);
        mirrors[k].circle.style.display = mode.im ? "" : "none";
      });
    },
  };
}

// The plane of weights: an arrow for each unit, whose tip is the row of W, its incoming weights.
function planeOfWeights(state, changed, released) {
  const reach = MOST_WEIGHT, plane = plot(300, 300, [-reach, reach], [-reach, reach], { label: "incoming weights of the two units", square: true });
  const units = [0, 1].map((unit) => {
    const colour = ["#005af0", "#b43c00"][unit], [x1, y1] = plane.place(0, 0);
    const arrow = element("line", { x1, y1, stroke: colour, "stroke-width": 3 });
    const name = element("text", { "aria-hidden": true, style: `fill: ${colour}` }, `unit ${unit + 1}`);
    plane.inside.append(arrow);
    plane.svg.append(name);
    const tip = handle(plane, `weights of unit ${unit + 1}`, reach, (x, y) => {
      [state.weights[2 * unit], state.weights[2 * unit + 1]] = [x, y];
      changed();
    }, released);
    return { arrow, name, tip };
  });
  return {
    svg: plane.svg,
    update() {
      units.forEach(({ arrow, name, tip }, unit) => {
        const [x, y] = state.weights.slice(2 * unit), [x2, y2] = plane.place(x, y), below = ["₁", "₂"][unit];
        for (const [key, value] of Object.entries({ x2, y2 })) arrow.setAttribute(key, value);
        for (const [key, value] of Object.entries({ x: Math.min(x2 + 13, 255), y: y2 - 13 })) name.setAttribute(key, value);
        tip.put(x, y, `W${below}₁ = ${round(x)}, W${below}₂ = ${round(y)}`);
      });
    },
  };
}

// The samples of the network with the curves of its readings, the norms, and the verdicts.
function drawModes(state, panel) {
  const steps = 20, parts = 8, found = explored(state.modes, { coupling: state.coupling, upper: state.upper, steps, parts });
  const seen = found.network.states.filter((v) => v !== null), reach = Math.max(1.2, Math.min(8, 1.3 * Math.max(...seen.map(Math.abs))));
  const runs = plot(460, 210, [0, steps], [-reach, reach], { label: "first state of the network at each step, and of its flows" });
  const growth = plot(460, 190, [0, steps], [-6, 6], { label: "growth of a disturbance, powers of ten", ticks: (y) => `1e${y}` });
  const decades = (v) => (v === null ? NaN : Math.log10(Math.max(v, 1e-9)));
  for (const reading of READINGS) {
    if (!found[reading].states) continue;
    runs.line(found[reading].states.map((v, k) => (v === null ? null : [k / parts, v])), COLOURS[reading], DASHES[reading]);
    growth.line(found[reading].norms.map((v, k) => [k, decades(v)]), COLOURS[reading], DASHES[reading]);
  }
  runs.dots(found.network.states.map((v, k) => (v === null ? null : [k, v])), COLOURS.network, 3.5);
  growth.dots(found.network.norms.map((v, k) => [k, decades(v)]), COLOURS.network, 3.5);
  panel.runs.replaceChildren(runs.svg);
  panel.growth.replaceChildren(growth.svg);
  const told = verdicts(state.modes, state.coupling);
  panel.verdicts.replaceChildren(...["network", ...READINGS].map((name) => {
    const reason = found[name].reason || "";
    const swatch = element("svg", { viewBox: "0 0 40 10", style: "width: 40px", "aria-hidden": "true" },
      name === "network" ? element("circle", { cx: 20, cy: 5, r: 4, fill: COLOURS.network })
        : element("line", { x1: 0, x2: 40, y1: 5, y2: 5, stroke: COLOURS[name], "stroke-width": 3, "stroke-dasharray": DASHES[name] }));
    const cells = [swatch, name, told[name] + (reason ? `: ${reason}` : "")].map((content) => element("td", {}, content));
    cells[2].dataset.verdict = name;
    if (told[name] !== told.network) cells[2].className = "unlike";
    return element("tr", {}, ...cells);
  }));
}

// Orbits of the map and of the flow of two tanh units, with the fixed points that they share.
function drawUnits(state, panel) {
  const starts = [[0.9, 0.1], [-0.9, -0.1], [0.1, -0.9], [0.05, 0.05], [-0.1, 0.95]];
  const found = fixedPoints(state.weights);
  for (const kind of ["map", "flow"]) {
    const plane = plot(300, 300, [-1.1, 1.1], [-1.1, 1.1], { label: `phase portrait of the ${kind}`, square: true });
    starts.forEach((start, k) => {
      if (kind === "map") plane.dots(mapOrbit(state.weights, start, 250), RUNS[k], 1.6);
      else plane.line(flowOrbit(state.weights, start, 60), RUNS[k], "", 1.5);
    });
    for (const item of found) {
      const [cx, cy] = plane.place(...item.point);
      plane.inside.append(element("circle", { cx, cy, r: 6, fill: item[kind] === "stable" ? "var(--ink)" : "var(--paper)", stroke: "var(--ink)", "stroke-width": 2 }));
    }
    panel[kind].replaceChildren(plane.svg);
  }
  panel.points.replaceChildren(...found.map((item) => {
    const numbers = item.multipliers.map(([re, im]) => (im ? `${round(re)} ${im > 0 ? "+" : "-"} ${round(Math.abs(im))}i` : `${round(re)}`));
    const texts = [`(${item.point.map(round).join(", ")})`, numbers.join(", "), item.map, item.flow];
    return element("tr", {}, ...texts.map((text) => element("td", {}, text)));
  }));
}

function chooser(label, presets, chosen) {
  const choose = () => {
    if (select.value) chosen(presets[select.value]);
    select.value = ""; // so that the same one can be chosen again
  };
  const select = element("select", { "aria-label": label, onchange: choose },
    element("option", { value: "" }, `${label} …`), ...Object.keys(presets).map((name) => element("option", { value: name }, name)));
  return select;
}

// Builds the explorer into `root`. `options`: the first state, `linked` (keep the state in the page's link), `released(state)`.
export function mount(root, { linked = false, released = () => {}, ...first } = {}) {
  const state = { tab: "modes", modes: [{ re: 0.5, im: 0 }], coupling: 0, upper: null, weights: [0.75, -1.299, 1.299, 0.75], ...first };
  if (linked) Object.assign(state, fromLink(location.hash, state));
  let waiting = false;
  const changed = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };
  const ended = () => { draw(); released(state); };
  const set = (values) => { Object.assign(state, structuredClone(values)); ended(); };
  const panel = Object.fromEntries(["runs", "growth", "map", "flow"].map((name) => [name, element("div", {})]));
  panel.verdicts = element("tbody", {});
  panel.points = element("tbody", {});
  const plane = planeOfModes(state, changed, ended);
  const coupling = element("input", { type: "range", min: 0, max: 2, step: 0.01, "aria-label": "coupling", oninput: () => { state.coupling = +coupling.value; changed(); }, onchange: ended });
  const resized = (modes) => set({ modes: modes.map(({ re, im }) => ({ re, im })), upper: null, coupling: 0 });
  const add = (im) => { if (state.modes.length < 8) resized([...state.modes, { re: 0.8, im }]); };
  const remove = () => { if (state.modes.length > 1) resized(state.modes.slice(0, -1)); };
  const words = (text) => element("p", {}, text);
  const modes = element("div", { role: "tabpanel", style: "--least: 320px" },
    element("div", { class: "controls" }, chooser("Examples", PRESETS, (preset) => set({ coupling: 0, upper: null, ...preset })),
      element("button", { onclick: () => add(0) }, "Add a real one"), element("button", { onclick: () => add(0.4) }, "Add a pair"),
      element("button", { onclick: remove }, "Remove one"), element("label", { class: "controls" }, "coupling", coupling)),
    element("div", { class: "panels" },
      element("div", {}, words("Multipliers, to drag or to move by the arrow keys. Each line is the border of decay: the network decays inside the unit circle."),
        plane.svg, element("table", {}, panel.verdicts), words("Bold: unlike the network.")),
      element("div", {}, words("State of the first unit: network (dots) and flows (lines), from ones, without input"), panel.runs,
        words("Norms of Wᵏ and of each flow: growth of a disturbance, and of a gradient"), panel.growth)));
  const weights = planeOfWeights(state, changed, ended);
  const heads = ["fixed point", "multipliers", "of the map", "of the flow"].map((text) => element("th", {}, text));
  const units = element("div", { role: "tabpanel", style: "--least: 260px" },
    element("div", { class: "controls" }, chooser("Examples", WEIGHTS, (weights) => set({ weights }))),
    element("div", { class: "panels" },
      element("div", {}, words("Weights into each unit, (W₁₁, W₁₂) and (W₂₁, W₂₂), to drag or to move by the arrow keys"), weights.svg),
      element("div", {}, words("Map, h ↦ tanh(W h), from five starts"), panel.map),
      element("div", {}, words("Flow, dh/dt = tanh(W h) − h, from the same"), panel.flow)),
    element("table", {}, element("thead", {}, element("tr", {}, ...heads)), panel.points),
    words("A fixed point of the map is stable while |λ| < 1; a pair that leaves the circle gives birth to a closed curve (Neimark–Sacker). "
      + "One of the flow is stable while Re λ < 1; a pair that crosses that line gives birth to a cycle (Hopf). Filled points are stable."));
  const tabs = [["modes", "Eigenvalues"], ["units", "Two tanh units"]].map(([tab, text]) =>
    element("button", { role: "tab", "data-tab": tab, onclick: () => set({ tab }) }, text));
  const code = element("pre", { tabindex: 0, "aria-label": "Python code for what is shown" });
  const copy = element("button", { onclick: () => navigator.clipboard && navigator.clipboard.writeText(code.textContent) }, "Copy the Python code");
  function draw() {
    for (const tab of tabs) tab.setAttribute("aria-selected", tab.dataset.tab === state.tab);
    modes.hidden = state.tab !== "modes";
    units.hidden = state.tab !== "units";
    coupling.value = state.coupling;
    plane.update();
    weights.update();
    state.tab === "modes" ? drawModes(state, panel) : drawUnits(state, panel);
    code.textContent = snippet(state);
    if (linked) history.replaceState(null, "", toLink(state) ? `#${toLink(state)}` : location.pathname);
  }
  root.classList.add("rnn-explorer");
  root.replaceChildren(element("style", {}, STYLE), element("div", { class: "controls", role: "tablist" }, ...tabs), modes, units,
    element("details", {}, element("summary", {}, "The same in Python"), copy, code));
  draw();
  return { state, draw, matrix: () => matrixOf(state.modes, state.coupling, state.upper) };
}

// In Jupyter: the modes come from Python, and the matrix goes back when a handle is released.
export default {
  render({ model, el }) {
    const upper = model.get("upper");
    mount(el, {
      modes: model.get("modes").map(([re, im, skew]) => ({ re, im, skew })), coupling: model.get("coupling"),
      upper: upper && upper.length ? Float64Array.from(upper) : null,
      released: ({ tab, modes, coupling, upper: above }) => {
        if (tab !== "modes") return;
        model.set("matrix", [...matrixOf(modes, coupling, above)]);
        model.save_changes();
      },
    });
  },
};
