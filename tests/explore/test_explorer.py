"""The explorer: its numbers against the package's and SciPy's, and the page in a real browser."""

import json
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from processes import start, stopped

import rnn_ode as ro
from rnn_ode._explore.schur import first_state
from rnn_ode._explore.server import server

MODULE = Path(ro.__file__).parent / "_explore" / "explorer.js"
METHODS = {m.label: m for m in (ro.Textbook(), ro.Forward(1), ro.Backward(1), ro.Tustin(), ro.Exact())}
NODE = shutil.which("node")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def page_numbers():
    """Runs an expression over the module's functions under Node, and reads the JSON that it gives."""
    if NODE is None:
        pytest.skip("there is no Node on this machine")

    def run(expression: str):
        script = f"import * as e from {json.dumps(MODULE.as_uri())}; console.log(JSON.stringify({expression}))"
        done = subprocess.run([NODE, "--input-type=module", "-e", script], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def modes_at_random(rng, negative: bool):
    """Two real modes and two pairs, with moduli up to 1.2."""
    radii, angles = rng.uniform(0.2, 1.2, 4), rng.uniform(0.2, 2.9, 4)
    pairs = [{"re": r * np.cos(a), "im": r * np.sin(a)} for r, a in zip(radii[:2], angles, strict=False)]
    return [{"re": radii[2], "im": 0}, *pairs, {"re": -radii[3] if negative else radii[3], "im": 0}]


@pytest.mark.gate
def test_the_numbers_are_those_of_the_package(page_numbers):
    """States and norms of the network and of every reading, to 1e-9 of the largest one so far."""
    rng = np.random.default_rng(3)
    cases = [(modes_at_random(rng, negative=k % 2 == 1), round(float(rng.uniform(0, 1)), 3)) for k in range(8)]
    asked = ", ".join(f"[{json.dumps(modes)}, {coupling}]" for modes, coupling in cases)
    several = page_numbers(
        f"[{asked}].map(([m, c]) => ({{...e.explored(m, {{coupling: c, steps: 8, parts: 4}}), verdicts: e.verdicts(m, c), "
        "W: [...e.matrixOf(m, c)]}))"
    )
    for (modes, _), found in zip(cases, several, strict=True):
        n = sum(2 if mode["im"] else 1 for mode in modes)
        W = np.reshape(found["W"], (n, n))
        spectrum = ro.spectrum(W)
        assert found["verdicts"]["network"] == ro.verdict_name(spectrum.discrete)
        network = [np.linalg.matrix_power(W, k) for k in range(9)]
        check(found["network"], network, [power.sum(axis=1)[0] for power in network])
        for label, method in METHODS.items():
            if not bool(spectrum.exists(method)):
                assert found[label]["states"] is None and found["verdicts"][label] == "does not exist"
                continue
            assert found["verdicts"][label] == ro.verdict_name(spectrum.continuous(method))
            G = np.asarray(method.generator(W))
            fine = [scipy.linalg.expm(G * k / 4).sum(axis=1)[0] for k in range(33)]
            check(found[label], [scipy.linalg.expm(G * k) for k in range(9)], fine)


def check(found, matrices, states):
    norms = np.array([np.linalg.norm(matrix, 2) for matrix in matrices])
    np.testing.assert_array_less(np.abs(np.array(found["norms"], float) - norms), 1e-9 * np.maximum.accumulate(norms))
    largest = max(1.0, np.max(np.abs(states)))
    np.testing.assert_allclose(np.array(found["states"], float), states, rtol=0, atol=1e-9 * largest)


@pytest.mark.gate
def test_two_units_are_those_of_the_package(page_numbers):
    for W in ([0.75, -1.299, 1.299, 0.75], [2, 0.2, -0.2, 2], [1.5, -0.3, 0.4, 1.8]):
        found = page_numbers(f"{{points: e.fixedPoints({W}), map: e.mapOrbit({W}, [0.3, -0.2], 20), "
                             f"flow: e.flowOrbit({W}, [0.3, -0.2], 3, 64)}}")  # fmt: skip
        cell = ro.VanillaCell(np.reshape(W, (2, 2)), np.zeros((2, 1)), np.zeros(2), jnp.tanh)
        guesses = np.stack(np.meshgrid(*[np.linspace(-1, 1, 9)] * 2), -1).reshape(-1, 2)
        ours = ro.fixed_points(ro.Map(cell, np.zeros(1)), guesses)
        points = np.array(sorted(np.asarray(ours.points)[: int(ours.count)].tolist()))
        np.testing.assert_allclose([item["point"] for item in found["points"]], points, atol=1e-9)
        h0 = np.array([0.3, -0.2])
        np.testing.assert_allclose(found["map"], ro.iterate(cell, np.zeros((20, 1)), h0).states, atol=1e-9)
        flow = ro.integrate(ro.to_ode(cell, ro.Forward(1)), ro.Hold(np.zeros((3, 1))), h0, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found["flow"][::64], flow.states, atol=1e-8)  # fourth order at 1/64


def test_a_pair_stays_a_pair_of_conjugates_and_a_given_matrix_keeps_its_size(page_numbers):
    pair, real = "{re: 0.2, im: 0.5, skew: 2}", "{re: 0.2, im: 0}"
    moved = page_numbers(
        f"[e.movedMode({pair}, 0.3, -0.6, false), e.movedMode({pair}, 0.3, 0.001, false), "
        f"e.movedMode({real}, 0.3, 0.2, false), e.movedMode({pair}, 0.3, 0, true), e.movedMode({real}, 0.3, 0.2, true)]"
    )
    assert moved == [
        {"re": 0.3, "im": 0.6, "skew": 2}, {"re": 0.3, "im": 0, "skew": 2}, {"re": 0.3, "im": 0.2},
        {"re": 0.3, "im": 0.005, "skew": 2}, {"re": 0.3, "im": 0},
    ]  # fmt: skip
    values = np.linalg.eigvals(np.reshape(page_numbers(f"[...e.matrixOf([{pair}, {real}], 0.7)]"), (3, 3)))
    np.testing.assert_allclose(np.sort_complex(values), [0.2 - 0.5j, 0.2, 0.2 + 0.5j], atol=1e-12)


def test_the_colours_are_those_of_the_pictures(page_numbers):
    assert page_numbers("e.COLOURS") == {"network": "var(--ink)"} | {name: m.colour for name, m in METHODS.items()}


def test_the_presets_show_the_circle_of_the_map_before_that_of_the_flow(page_numbers):
    """g R(60°): the map has a circle from g = 1 on (Neimark–Sacker), the flow from g = 2 on (Hopf)."""
    found = page_numbers("Object.values(e.WEIGHTS).slice(0, 3).map((W) => [W, e.fixedPoints(W), e.mapOrbit(W, [0.05, 0.05], "
                         "300).at(-1), e.flowOrbit(W, [0.05, 0.05], 120).at(-1)])")  # fmt: skip
    kinds, rests = [], []
    for W, points, map_end, flow_end in found:
        multipliers = np.linalg.eigvals(np.reshape(W, (2, 2)))
        np.testing.assert_allclose(np.angle(multipliers, deg=True), [60, -60], atol=0.01)
        kinds.append((points[0]["map"], points[0]["flow"]))
        rests.append((np.linalg.norm(map_end) < 1e-6, np.linalg.norm(flow_end) < 1e-6))
    assert kinds == [("stable", "stable"), ("unstable", "stable"), ("unstable", "unstable")]
    assert rests == [(True, True), (False, True), (False, False)]


def test_a_link_keeps_the_state_and_a_bad_one_changes_nothing(page_numbers):
    state = '{tab: "modes", modes: [{re: 0.5, im: 0}, {re: -0.2, im: 0.75}], coupling: 0.3, weights: [1, 2, 3, -3]}'
    assert page_numbers(f"e.fromLink(e.toLink({state}), {{}})") == {
        "tab": "modes", "modes": [{"re": 0.5, "im": 0}, {"re": -0.2, "im": 0.75}], "coupling": 0.3,
        "upper": None,
    }  # fmt: skip
    assert page_numbers('e.fromLink("#tab=nothing&modes=1,x&coupling=9&W=1,2", {tab: "units"})') == {"tab": "units"}


# --- in Jupyter --------------------------------------------------------------------------------------------------------


def test_the_widget_hands_the_matrix_back():
    pytest.importorskip("anywidget")
    W = np.random.default_rng(0).normal(size=(5, 5)) / 2
    widget = ro.explore(ro.VanillaCell(W, np.zeros((5, 1)), np.zeros(5)))
    np.testing.assert_allclose(widget.W, W, atol=1e-12)
    moved = np.array(widget.matrix)
    moved[0] = 0.25  # as the page does where a real multiplier comes first
    widget.matrix = moved.tolist()
    values = np.linalg.eigvals(W)
    first = values[np.argmin(np.abs(values - widget.modes[0][0]))]
    kept = np.sort_complex(np.append(values[values != first], 0.25))
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(widget.W)), kept, atol=1e-9)


def test_the_widget_s_blocks_are_the_page_s(page_numbers):
    pytest.importorskip("anywidget")
    W = np.random.default_rng(0).normal(size=(5, 5)) / 2
    widget = ro.explore(W)
    modes = [{"re": re, "im": im, "skew": skew} for re, im, skew in widget.modes]
    matrix = page_numbers(f"[...e.matrixOf({json.dumps(modes)}, 1, Float64Array.from({json.dumps(widget.upper)}))]")
    np.testing.assert_allclose(matrix, widget.matrix, atol=1e-12)


def test_what_cannot_be_explored_is_told_before_anything_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[explore\]' in a clone"):
        ro.explore(np.eye(16))
    with pytest.raises(ValueError, match="at most 16 rows"):
        ro.explore(np.eye(17))
    with pytest.raises(TypeError, match="must know its linear part"):
        ro.explore(lambda x, h: h)


# --- in a browser ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    page_server = server()
    threading.Thread(target=page_server.serve_forever, daemon=True).start()
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium, f"http://127.0.0.1:{page_server.server_port}/"
        chromium.close()
    page_server.shutdown()
    page_server.server_close()


@pytest.fixture
def page(browser):
    chromium, address = browser
    context = chromium.new_context(
        viewport={"width": 1100, "height": 800},
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = context.new_page()
    faults, asked = [], []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("[role=tab]")
    yield page
    context.close()
    assert faults == []
    assert [url for url in asked if not url.startswith((address, "data:"))] == []  # nothing of a network


def verdict(page, name):
    return page.locator(f"[data-verdict='{name}']").inner_text()


def drag(page, handle, right, up, shown):
    """Moves a handle by so many units of its plane, which shows `shown` of them across."""
    box, svg = handle.bounding_box(), handle.locator("xpath=..")
    unit = svg.bounding_box()["width"] * (1 - 50 / svg.evaluate("svg => svg.viewBox.baseVal.width")) / shown
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + unit * right, y - unit * up, steps=5)
    page.mouse.up()


def open_units(page):
    page.get_by_role("tab", name="Two tanh units").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("tab", name="Two tanh units").get_attribute("aria-selected") == "true"


def kinds_of_points(page):
    return [row.inner_text().split("\t")[2:] for row in page.locator("tbody").last.locator("tr").all()]


@pytest.mark.slow
def test_a_multiplier_is_dragged_across_the_circle(page):
    assert (verdict(page, "network"), verdict(page, "textbook")) == ("DECAYS", "GROWS")
    handle = page.get_by_role("slider", name="multiplier 1")
    drag(page, handle, 1.0, 0.0, shown=4.4)
    assert float(handle.get_attribute("aria-valuenow")) == pytest.approx(1.5, abs=0.05)
    assert verdict(page, "network") == "GROWS"
    assert float(page.url.split("modes=")[-1].split("&")[0]) == pytest.approx(1.5, abs=0.05)
    drag(page, handle, 0.0, 0.4, shown=4.4)
    mode = page.evaluate("explorer.state.modes[0]")
    assert mode["im"] == pytest.approx(0.4, abs=0.05)  # off the axis it is a pair
    values = np.linalg.eigvals(np.reshape(page.evaluate("[...explorer.matrix()]"), (2, 2)))
    assert values[0] == pytest.approx(np.conj(values[1])) and abs(values[0].imag) == pytest.approx(mode["im"])


@pytest.mark.slow
def test_weights_are_dragged_until_the_map_has_a_circle(page):
    open_units(page)
    page.select_option("select[aria-label=Examples] >> nth=1", index=1)
    assert kinds_of_points(page) == [["stable", "stable"]]
    drag(page, page.get_by_role("slider", name="weights of unit 1"), 0.3, -0.5, shown=6)
    drag(page, page.get_by_role("slider", name="weights of unit 2"), 0.5, 0.3, shown=6)
    np.testing.assert_allclose(page.evaluate("explorer.state.weights"), [0.75, -1.28, 1.28, 0.75], atol=0.05)
    assert kinds_of_points(page) == [["unstable", "stable"]]
    assert page.locator("svg[aria-label='phase portrait of the map']").is_visible()
    assert page.locator("svg[aria-label='phase portrait of the flow']").is_visible()


@pytest.mark.slow
def test_the_keyboard_alone_suffices(page):
    page.get_by_role("slider", name="multiplier 1").focus()
    for _ in range(6):
        page.keyboard.press("Shift+ArrowRight")
    assert verdict(page, "network") == "GROWS"
    page.select_option("select[aria-label=Examples] >> nth=0", index=5)  # non-normal
    page.get_by_role("slider", name="coupling").focus()
    before = page.evaluate("explorer.state.coupling")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("explorer.state.coupling") == pytest.approx(before + 0.01)
    open_units(page)
    assert kinds_of_points(page) == [["unstable", "stable"]]
    page.keyboard.press("Tab")  # the examples
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "weights of unit 1"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    assert "W=0.76,-1.199," in page.url
    assert page.evaluate("document.activeElement.getAttribute('aria-valuetext')") == "W₁₁ = 0.76, W₁₂ = -1.199"


@pytest.mark.slow
def test_the_coupling_makes_the_network_grow_before_it_decays(page):
    page.select_option("select[aria-label=Examples] >> nth=0", index=5)
    W = np.reshape(page.evaluate("[...explorer.matrix()]"), (4, 4))
    assert verdict(page, "network") == "DECAYS" and np.linalg.norm(W @ W, 2) > 2
    page.get_by_role("slider", name="coupling").fill("0")
    assert np.count_nonzero(page.evaluate("[...explorer.matrix()]")) == 4


@pytest.mark.slow
def test_nothing_is_too_wide_for_a_narrow_screen_and_nothing_moves_by_itself(page):
    page.set_viewport_size({"width": 360, "height": 800})
    page.select_option("select[aria-label=Examples] >> nth=0", label="eight modes")
    assert page.evaluate("explorer.state.modes.length") == 8
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    open_units(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.getAnimations().length") == 0


@pytest.mark.thorough
def test_eight_modes_are_drawn_within_a_frame(page):
    """16 ms is a frame of 60 Hz. The fastest of forty, since other work on the machine makes some of them slow."""
    page.select_option("select[aria-label=Examples] >> nth=0", label="eight modes")
    frame = "() => { const start = performance.now(); explorer.draw(); return performance.now() - start; }"
    assert min(page.evaluate(frame) for _ in range(40)) < 16


@pytest.mark.slow
def test_the_copied_python_code_computes_what_is_shown(page, capsys):
    copied = []
    for preset in (1, 4):  # one half, and two modes near the circle
        page.select_option("select[aria-label=Examples] >> nth=0", index=preset)
        if not copied:
            page.locator("summary").click()
        page.get_by_role("button", name="Copy the Python code").click()
        copied.append(
            (page.evaluate("navigator.clipboard.readText()"), page.locator("[data-verdict]").all_inner_texts())
        )
    open_units(page)
    page.get_by_role("button", name="Copy the Python code").click()
    copied.append((page.evaluate("navigator.clipboard.readText()"), ["FOCUS", "FOCUS"]))
    for code, shown in copied:
        exec(code, {})
        printed = capsys.readouterr().out.splitlines()
        assert all(text in line for text, line in zip(shown, printed, strict=False)), (shown, printed)


@pytest.mark.slow
def test_jupyter_gets_the_matrix_when_a_handle_is_released(page):
    pytest.importorskip("anywidget")
    W = np.random.default_rng(0).normal(size=(4, 4)) / 2
    widget = ro.explore(W)
    model = json.dumps({"modes": widget.modes, "coupling": widget.coupling, "upper": widget.upper})
    page.evaluate(f"""async () => {{
        const values = {model}, el = document.createElement("div");
        window.sent = [];
        document.body.replaceChildren(el);
        const set = (key, value) => (values[key] = value), save_changes = () => sent.push(values.matrix);
        const model = {{ get: (key) => values[key], set, save_changes }};
        (await import("./explorer.js")).default.render({{ model, el }});
    }}""")
    handle = page.get_by_role("slider", name="multiplier 1")
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 30, steps=3)
    assert page.evaluate("sent.length") == 0
    page.mouse.up()
    (widget.matrix,) = page.evaluate("sent")
    assert widget.W.shape == (4, 4)
    before, after = (np.sort_complex(np.linalg.eigvals(A)) for A in (W, widget.W))
    moved = 2 if widget.modes[0][1] else 1
    assert np.sum(np.abs(before[:, None] - after).min(axis=1) > 1e-9) == moved


@pytest.mark.slow
def test_a_link_opens_what_it_names(page):
    page.goto(page.url.split("#")[0] + "#tab=modes&modes=0.6,0+0.9i&coupling=0.5")
    page.reload()
    page.wait_for_selector("[role=tab]")
    assert page.evaluate("explorer.state.modes") == [{"re": 0.6, "im": 0}, {"re": 0, "im": 0.9}]
    assert verdict(page, "backward:1") == "GROWS"
    page.locator("summary").click()
    assert "ro.spectrum(W)" in page.locator("pre").inner_text()


@pytest.mark.slow
def test_a_given_matrix_is_there_after_a_reload_and_so_is_what_came_in_its_place(browser):
    chromium, _ = browser
    page_server = server(first=first_state(np.array([[0.5, 1.0, 0.3], [-0.2, 0.4, 2.0], [0.0, 0.0, 0.8]])))
    threading.Thread(target=page_server.serve_forever, daemon=True).start()
    page = chromium.new_page()
    page.goto(f"http://127.0.0.1:{page_server.server_port}/")
    page.wait_for_selector("[role=tab]")

    def matrices():
        shown = page.evaluate("[...explorer.matrix()]")
        page.reload()
        page.wait_for_selector("[role=tab]")
        return shown, page.evaluate("[...explorer.matrix()]")

    before, after = matrices()
    assert before == after and len(after) == 9
    page.get_by_role("button", name="Add a real one").click()
    before, after = matrices()
    np.testing.assert_allclose(after, before, atol=1e-3)  # a link has three decimals
    assert len(after) == 16
    page.close()
    page_server.shutdown()
    page_server.server_close()


@pytest.mark.slow
def test_the_server_shows_nothing_else(browser):
    import urllib.error
    import urllib.request

    _, address = browser
    with urllib.request.urlopen(address) as answer:
        assert b"explorer.js" in answer.read()
    for path in ("widget.py", "../_base/stop.py", "etc/passwd"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address + path)
        refused.value.close()


@pytest.mark.slow
def test_the_command_serves_until_it_is_stopped(tmp_path):
    import urllib.request

    (tmp_path / "W.csv").write_text("0.5,1\n0,0.25\n")

    def read(address):
        with urllib.request.urlopen(address) as answer:
            return answer.read()

    with start(["-m", "rnn_ode", "explore", "W.csv", "--no-browser", "--json"], tmp_path) as running:
        try:
            address = json.loads(running.stdout.readline())["address"]
            state = json.loads(read(address + "state.json"))
            assert [mode["re"] for mode in state["modes"]] == [0.5, 0.25] and state["upper"][1] == pytest.approx(1)
            code, _, _, err = stopped(running)
            assert code == 130 and "The explorer is closed." in err
        finally:
            running.kill()


# --- what the server refuses --------------------------------------------------------------------------------------------


@pytest.fixture
def ask():
    """Send the bytes of a request to a server of its own and return the status of its answer."""
    page_server = server()
    threading.Thread(target=page_server.serve_forever, daemon=True).start()

    def ask(path="/", host=None, method="GET", more=""):
        host = f"127.0.0.1:{page_server.server_port}" if host is None else host
        head = f"{method} {path} HTTP/1.1\r\n" + (f"Host: {host}\r\n" if host else "") + more + "\r\n"
        with socket.create_connection(page_server.server_address, timeout=5) as connection:
            connection.sendall(head.encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        return int(answer.split(b" ", 2)[1]), answer

    ask.port = page_server.server_port
    yield ask
    page_server.shutdown()
    page_server.server_close()


def test_the_server_listens_on_the_loopback_address_alone():
    with server() as page_server:
        assert page_server.server_address[0] == "127.0.0.1"


def test_the_server_answers_a_request_that_names_it_as_host(ask):
    assert ask()[0] == 200
    port = ask.port
    assert ask(host=f"localhost:{port}")[0] == 200
    # a page elsewhere whose name was made to point at this machine
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        f"127.0.0.1:{port}.evil.example",
        "",
        f"127.0.0.1:{port}\r\nHost: evil.example",
    ):
        assert ask(host=host)[0] == 421, host


def test_the_server_serves_its_own_files_and_nothing_else_of_the_disk(ask):
    for path in ("/../server.py", "/..%2fserver.py", "/server.py", "//etc/passwd", "/etc/passwd", "/schur.py", "/%00"):
        status, answer = ask(path)
        assert status == 404 and b"import" not in answer and b"root:" not in answer, path
    assert b"nosniff" in ask("/explorer.js")[1] and b"Python" not in ask()[1].split(b"\r\n\r\n")[0]


def test_the_server_limits_the_sizes_of_requests(ask):
    assert ask("/?" + "x" * 2000)[0] == 414
    assert ask(more="Content-Length: 1000000000\r\n")[0] == 413
    assert ask(more="Transfer-Encoding: chunked\r\n")[0] == 413
    assert ask(more=f"X-Long: {'x' * 70_000}\r\n")[0] == 431
    assert ask(more="".join(f"X-{i}: 1\r\n" for i in range(200)))[0] == 431
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(method=method)[0] == 501


def test_the_server_does_not_wait_for_a_request_that_never_ends(monkeypatch):
    monkeypatch.setattr("rnn_ode._explore.server.PATIENCE", 0.2)
    page_server = server()
    threading.Thread(target=page_server.serve_forever, daemon=True).start()
    with socket.create_connection(page_server.server_address, timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost:")
        assert connection.recv(100) == b"", "the server hangs up"
    page_server.shutdown()
    page_server.server_close()
