"""The entry point."""

import os
import subprocess
import sys


def test_without_the_app_extra_the_command_says_what_to_install():
    blocked = "import sys; sys.modules['typer'] = None; from rnn_ode.__main__ import main; main()"
    result = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, env=dict(os.environ))
    assert result.returncode == 1
    assert "pip install '.[app]' in a clone of rnn_ode" in result.stderr and "Traceback" not in result.stderr
