"""The first lines of a job: fetch the project's code, install what it needs, become the worker.

The job is given this text as its command, before anything of the project is there: it may import
nothing of it. Arguments: repository, folder in it, the version of the Hub's client, further
packages separated by commas, and then the worker's own.
"""

import os
import subprocess
import sys
import tarfile
import time


def main() -> None:
    began = time.time()
    repo, prefix, client, packages, *worker = sys.argv[1:]
    install(f"huggingface_hub=={client}")
    from huggingface_hub import hf_hub_download

    code = hf_hub_download(repo, f"{prefix}/code.tar.gz", repo_type="dataset")
    with tarfile.open(code) as archive:
        archive.extractall("mi-arena", filter="data")
    os.chdir("mi-arena")
    more = [package for package in packages.split(",") if package]
    install("-r", "requirements.txt", *more, "-c", "constraints.txt")
    command = [sys.executable, "-m", "training.on_hub.worker", f"--began={began}", *worker]
    os.execv(sys.executable, command)


def install(*what: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *what], check=True)


if __name__ == "__main__":
    main()
