/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/compiler.h"

/*
 * Two paths lead to one file, also by links, and also when it does not exist yet. Only files that
 * keep what is written count: a terminal, a pipe or /dev/null may be used twice.
 */
bool file_same(const char *a, const char *b);

#endif
