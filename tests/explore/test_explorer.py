"""The explorer: its numbers against the package's and SciPy's, and the page in a real browser."""

import json
import shutil
import subprocess
import threading
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_a_link_keeps_the_state_and_a_bad_one_changes_nothing(page_numbers):
    state = '{tab: "modes", modes: [{re: 0.5, im: 0}, {re: -0.2, im: 0.75}], coupling: 0.3, weights: [1, 2, 3, 4]}'
    assert page_numbers(f"e.fromLink(e.toLink({state}), {{}})") == {
        "tab": "modes", "modes": [{"re": 0.5, "im": 0}, {"re": -0.2, "im": 0.75}], "coupling": 0.3,
    }  # fmt: skip
    assert page_numbers('e.fromLink("#tab=nothing&modes=1,x&coupling=9&W=1,2", {tab: "units"})') == {"tab": "units"}


@pytest.mark.slow
def test_the_python_code_computes_what_is_shown(page_numbers, capsys):
    for tab in ("modes", "units"):
        state = f'{{tab: "{tab}", modes: [{{re: 0.5, im: 0}}], coupling: 0, weights: [0.75, -1.299, 1.299, 0.75]}}'
        exec(page_numbers(f"e.snippet({state})"), {})
    printed = capsys.readouterr().out
    assert "network DECAYS\ntextbook GROWS" in printed and "FOCUS" in printed


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


def test_what_cannot_be_explored_is_told():
    pytest.importorskip("anywidget")
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
    page_server = server(first=first_state(np.array([[0.5]])))
    threading.Thread(target=page_server.serve_forever, daemon=True).start()
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium, f"http://127.0.0.1:{page_server.server_port}/"
        chromium.close()
    page_server.shutdown()


@pytest.fixture
def page(browser):
    chromium, address = browser
    context = chromium.new_context(viewport={"width": 1100, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(address)
    page.wait_for_selector("[role=tab]")
    yield page
    context.close()
    assert faults == []


def verdict(page, name):
    return page.locator(f"[data-verdict='{name}']").inner_text()


@pytest.mark.slow
def test_a_multiplier_is_dragged_across_the_circle(page):
    assert (verdict(page, "network"), verdict(page, "textbook")) == ("DECAYS", "GROWS")
    handle = page.get_by_role("slider", name="multiplier 1")
    box = handle.bounding_box()
    plane = page.locator("svg[aria-label='multipliers in the complex plane']").bounding_box()
    unit = plane["width"] * (380 - 50) / 380 / 4.4  # of the plane, in pixels
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + unit, y, steps=5)
    page.mouse.up()
    assert float(handle.get_attribute("aria-valuenow")) == pytest.approx(1.5, abs=0.05)
    assert verdict(page, "network") == "GROWS" and "modes=1.5" in page.url.replace("1.49", "1.5").replace("1.51", "1.5")


@pytest.mark.slow
def test_the_keyboard_alone_suffices(page):
    page.get_by_role("slider", name="multiplier 1").focus()
    for _ in range(6):
        page.keyboard.press("Shift+ArrowRight")
    assert verdict(page, "network") == "GROWS"
    page.get_by_role("tab", name="Two tanh units").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("tab", name="Two tanh units").get_attribute("aria-selected") == "true"
    assert page.locator("tbody").last.inner_text().split("\t")[2:] == ["unstable", "stable"]
    page.get_by_role("slider", name="W₁₁").focus()
    page.keyboard.press("ArrowRight")
    assert "W=0.76," in page.url


@pytest.mark.slow
def test_a_narrow_screen_and_a_frame(page):
    page.set_viewport_size({"width": 360, "height": 800})
    page.select_option("select[aria-label=Examples] >> nth=0", label="eight modes")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.evaluate("window.explorer.draw()")  # compiled by now
    drawn = "for (let i = 0; i < 20; i++) explorer.draw();"
    frame = f"(() => {{ const t = performance.now(); {drawn} return (performance.now() - t) / 20 }})()"
    assert page.evaluate("explorer.state.modes.length") == 8
    # 16 ms is a frame of 60 Hz; measured 3 to 6 ms here, with four times that for a loaded machine
    assert page.evaluate(frame) < 64


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
    import os
    import signal
    import sys
    import urllib.request

    file = tmp_path / "W.csv"
    file.write_text("0.5,1\n0,0.25\n")

    def read(address):
        with urllib.request.urlopen(address) as answer:
            return answer.read()

    command = [sys.executable, "-m", "rnn_ode", "explore", str(file), "--no-browser", "--json"]
    env = os.environ | {"PYTHONPATH": str(Path(ro.__file__).parents[1]), "JAX_PLATFORMS": "cpu"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as running:
        address = json.loads(running.stdout.readline())["address"]
        state = json.loads(read(address + "state.json"))
        assert [mode["re"] for mode in state["modes"]] == [0.5, 0.25] and state["upper"][1] == pytest.approx(1)
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == 130 and "The explorer is closed." in running.stderr.read()
