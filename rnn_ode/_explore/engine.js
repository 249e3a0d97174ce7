// The numbers of the explorer: small dense matrices, the readings of a linear network, and two tanh units.
// Matrices are arrays of rows. Nothing here touches a document: the same file runs under Node, in the tests.

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
