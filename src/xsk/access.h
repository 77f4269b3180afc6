/* SPDX-License-Identifier: BSD-2-Clause */
/* The check of the memory that an application registers as a UMEM. */
#ifndef XSK_ACCESS_H
#define XSK_ACCESS_H

#include "base/compiler.h"

/*
 * Whether a range is memory of this process that can be read and written; does not touch it.
 * Returns 0, -EFAULT if its beginning is not, or -ENOMEM if a later part is not, as pinning the
 * memory would.
 */
int memory_writable(u64 start, u64 size);

#endif
