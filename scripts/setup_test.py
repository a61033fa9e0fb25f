#!/usr/bin/env python3
"""Which form of libtorch is set up, by what the driver says."""

import os
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

import setup

H100 = ("NVIDIA H100 80GB HBM3", "580.65.06", "9.0")
OLD_DRIVER = ("NVIDIA A100-SXM4-40GB", "550.54.15", "8.0")
V100 = ("Tesla V100-SXM2-16GB", "580.65.06", "7.0")


class Choosing(unittest.TestCase):
    def test_a_machine_without_a_gpu_gets_the_cpu_form_without_a_word(self):
        self.assertEqual(setup.choose("auto", False, "there is no nvidia-smi"), ("cpu", ""))
        self.assertEqual(setup.choose("cpu", True, [H100]), ("cpu", ""))

    def test_a_gpu_that_can_use_it_gets_the_cuda_form_and_is_named(self):
        form, remark = setup.choose("auto", True, [H100, V100])
        self.assertEqual(form, "cuda")
        self.assertIn("NVIDIA H100 80GB HBM3: driver 580.65.06, compute capability 9.0", remark)
        self.assertIn("Tesla V100-SXM2-16GB: compute capability 7.0 is too low, 7.5 is needed", remark)

    def test_what_no_gpu_can_use_is_not_downloaded(self):
        form, remark = setup.choose("auto", True, [OLD_DRIVER])
        self.assertEqual(form, "cpu")
        self.assertIn("its driver 550.54.15 is too old, 580 or newer is needed", remark)
        with self.assertRaisesRegex(ValueError, "(?s)compute capability 7.0 is too low.*`./just setup cpu`"):
            setup.choose("cuda", True, [V100])

    def test_a_driver_that_does_not_answer_is_said(self):
        form, remark = setup.choose("auto", True, "nvidia-smi says: Driver/library version mismatch")
        self.assertEqual(form, "cpu")
        self.assertIn("version mismatch: setting up for the CPU; once the driver works, `./just setup cuda`", remark)
        # Where programs are built for other machines there is none.
        self.assertEqual(setup.choose("cuda", False, "there is no nvidia-smi")[0], "cuda")


class Asking(unittest.TestCase):
    def answer(self, script):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "nvidia-smi"
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
            before = os.environ["PATH"]
            os.environ["PATH"] = f"{folder}:{before}"
            try:
                return setup.ask_driver()
            finally:
                os.environ["PATH"] = before

    def test_the_drivers_table_is_read(self):
        self.assertEqual(self.answer("echo 'NVIDIA H100 80GB HBM3, 580.65.06, 9.0'"), [H100])

    def test_a_failure_is_quoted(self):
        said = self.answer("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18")
        self.assertEqual(said, "nvidia-smi says: Failed to initialize NVML: Driver/library version mismatch")


class Fetching(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        before = os.environ.get("FROSTLINE_CACHE")
        os.environ["FROSTLINE_CACHE"] = folder.name
        self.addCleanup(lambda: os.environ.pop("FROSTLINE_CACHE") if before is None
                        else os.environ.update(FROSTLINE_CACHE=before))

    def test_a_form_is_fetched_once_and_appears_whole(self):
        calls = []

        def install(home, _scratch, version):
            calls.append(version)
            home.mkdir()
            (home / "lib").mkdir()

        self.assertIsNone(setup.fetch("cuda", install))
        self.assertIsNone(setup.fetch("cuda", install))
        self.assertEqual(calls, [setup.VERSION])
        self.assertTrue((setup.place_of("cuda") / "lib").is_dir())
        # Another version lies beside it.
        self.assertIsNone(setup.fetch("cuda", install, "2.11.0"))
        self.assertEqual(calls, [setup.VERSION, "2.11.0"])
        self.assertEqual(len(set(setup.place_of("cuda").parent.iterdir())), 2)

    def test_what_fails_leaves_nothing_and_says_why(self):
        def install(home, _scratch, _version):
            home.mkdir()
            raise subprocess.CalledProcessError(1, "pip")

        self.assertIn("PyPI could not be reached", setup.fetch("cuda", install))
        self.assertEqual(list(setup.place_of("cuda").parent.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
