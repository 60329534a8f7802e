"""Which packages are installed: pyproject.toml cannot say that conf/ becomes audio_cls/conf beside those it finds."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["audio_cls*"]), "audio_cls.conf"], package_dir={"audio_cls.conf": "conf"})
