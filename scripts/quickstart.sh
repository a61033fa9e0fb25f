#!/bin/sh
# Runs the first sweep: on CIFAR-10 where it can be fetched, else on images that the program draws itself.
set -eu

cd "$(dirname -- "$0")/.."
frostline=target/release/frostline

if "$frostline" fetch cifar10 --optional && "$frostline" fetch efficientnet_v2_s.imagenet1k --optional; then
    name=quickstart
else
    name=quickstart-offline
    echo "That is no trouble: sweeps/$name.toml draws its own images."
    "$frostline" fetch efficientnet_lite0.imagenet1k
fi

"$frostline" launch "sweeps/$name.toml"
"$frostline" report "$name" -o "results/$name.html"
cat <<END

Next:
  look at what it found, in any browser:
    results/$name.html
  watch the next one while it runs:
    $frostline serve
  one more seed for every trial; what is finished does not run again:
    $frostline launch sweeps/$name.toml --set 'sweep.seeds=[0, 1]'
  what a larger sweep would do (it needs CIFAR-10), without running it:
    $frostline plan sweeps/cifar10-lite0.toml
  what a sweep of your own may contain:
    docs/sweep-format.md
END
