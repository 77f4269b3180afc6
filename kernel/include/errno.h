/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UAPI headers include this file of the C library; linux/kernel.h has the kernel's own error codes.
 */
