/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/compiler.h"

/*
 * Whether two paths name the same file, also through links, and also if the file does not exist
 * yet. Only files that store data count: a terminal, a pipe or /dev/null may be opened twice.
 */
bool file_same(const char *a, const char *b);

#endif
