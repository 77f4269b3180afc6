/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XSK_ACCESS_H
#define XSK_ACCESS_H

#include "base/compiler.h"

/*
 * Whether a range is memory of this process that can be read and written, without touching it. 0;
 * -EFAULT: not even its beginning; -ENOMEM: not up to its end. Both as pinning it would say.
 */
int memory_writable(u64 start, u64 size);

#endif
