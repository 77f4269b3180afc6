/* SPDX-License-Identifier: BSD-2-Clause */
/* UAPI headers include this file of the C library, but use nothing from it. */
