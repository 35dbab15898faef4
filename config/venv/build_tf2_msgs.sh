#!/usr/bin/env bash
# Build tf2_msgs (TFMessage only) with the rosidl wheels and install it into a virtual environment
# that holds rclpy's wheels: the package registry carries every message package relpose_ros needs
# but this one. On a ROS distribution nothing of this is needed.
#
# usage: build_tf2_msgs.sh VENV        needs: gcc, g++, make; takes half a minute
set -euo pipefail

venv=$(realpath "$1")
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/tf2_msgs
# The wheels start the interpreter once more with their own library path; another environment's
# must not leak in.
unset LD_LIBRARY_PATH PYTHONPATH _ROS_WHEELS_BOOTSTRAP_COMPLETE || true

works() {
    AMENT_PREFIX_PATH=$venv "$venv/bin/python" -c \
        'import rclpy, rclpy.type_support as t, tf2_msgs.msg as m; t.check_for_type_support(m.TFMessage)' \
        2> /dev/null
}
if works; then
    echo 'tf2_msgs: already there'
    exit 0
fi
for tool in make gcc g++; do
    command -v "$tool" > /dev/null || { echo "tf2_msgs: '$tool' is needed to build it" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
step() { # run quietly; show the log if it fails
    local log="$work/log"
    "$@" > "$log" 2>&1 || { tail -n 40 "$log" >&2; echo "tf2_msgs: failed: $*" >&2; exit 1; }
}

echo 'tf2_msgs: building (half a minute)'
# A build environment of its own: the target gets no ament_cmake, setuptools or catkin_pkg.
"$venv/bin/python" -m venv "$work/venv"
step "$work/venv/bin/pip" install --no-input --disable-pip-version-check \
    -r "$source_dir/requirements.txt"
export PATH="$work/venv/bin:$PATH" AMENT_PREFIX_PATH="$work/venv" CMAKE_PREFIX_PATH="$work/venv"
step cmake -S "$source_dir" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF \
    -DCMAKE_INSTALL_PREFIX="$venv" -DPython3_EXECUTABLE="$work/venv/bin/python"
step cmake --build "$work/build" -j"$(nproc)"
step cmake --install "$work/build" --strip
works || { echo 'tf2_msgs: was built, but does not load' >&2; exit 1; }
echo 'tf2_msgs: ready'
