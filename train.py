"""Trains classifiers of sound, one job for each fold.

    python train.py                                      the default transformer on fold 0
    python train.py model=transformer heads=1,2,4 -m     every fold of three variants, compared
    python train.py data=folder data.root=my_sounds -m   your own recordings

Exit status: 0 all well; 1 bad data or a failed job; 2 a mistake in the configuration; 130 and 143 for Ctrl-C and
SIGTERM.
"""

import sys

from audio_cls.experiment.train import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
