# SPDX-License-Identifier: BSD-2-Clause
# A shell on the console.
. /guest/lib.sh
exec setsid cttyhack sh < /dev/ttyS0 > /dev/ttyS0 2>&1
