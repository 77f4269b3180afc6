/* SPDX-License-Identifier: BSD-2-Clause */
/* UAPI headers ask the C library for this one; linux/kernel.h has the limits. */
