/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the qemu back end share. They see the library's inside, to count and to kill.
 */
#ifndef TESTS_QEMU_RIG_H
#define TESTS_QEMU_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/edu.h"
#include "drivers/message.h"
#include "qemu/private.h"

#include <dmamap/bus.h>
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Opens, or fails the test with the library's sentence. */
struct device *rig_open(const char *spec);
struct qemu *rig_qemu(struct device *dev);
pid_t rig_pid(struct device *dev);
u64 rig_invalidations(struct device *dev);

/* Cannot be opened, with this errno and these words in the sentence. */
void rig_refused(const char *spec, int err, const char *word, const char *word2);

/* A new directory of the test's, and a file in it; the path is good until the next call but three.
 */
const char *rig_path(const char *name);
void rig_file(const char *path, const void *bytes, size_t size);

/* Children of this process and its open descriptors, threads and mappings. */
bool rig_no_children(void);
unsigned int rig_descriptors(void);
unsigned int rig_threads(void);

struct dmamap_stats rig_stats(struct device *dev);

/* Prints a TAP plan that skips all, and leaves, when there is no QEMU here. */
void rig_need_qemu(void);

/* After each test: no child is left. */
int rig_teardown(void **state);
#define rig_test(f) cmocka_unit_test_teardown(f, rig_teardown)

int rig_cleanup(void **state);

#endif
