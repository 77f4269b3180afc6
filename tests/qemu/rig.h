/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that the tests of the qemu back end share. They access the library's internals in order
 * to count invalidations and to kill QEMU.
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

/* Opens a device, or fails the test with the library's error message. */
struct device *rig_open(const char *spec);
struct qemu *rig_qemu(struct device *dev);
pid_t rig_pid(struct device *dev);
u64 rig_invalidations(struct device *dev);

/*
 * Asserts that the spec cannot be opened, with this errno and with these words in the error
 * message.
 */
void rig_refused(const char *spec, int err, const char *word, const char *word2);

/*
 * rig_path() returns a path in the test's own directory, which is valid for the next three calls;
 * rig_file() creates a file.
 */
const char *rig_path(const char *name);
void rig_file(const char *path, const void *bytes, size_t size);

/*
 * Count the open descriptors, threads and mappings of this process, and check that it has no
 * children.
 */
bool rig_no_children(void);
unsigned int rig_descriptors(void);
unsigned int rig_threads(void);

struct dmamap_stats rig_stats(struct device *dev);

/* Prints a TAP plan that skips all tests and exits, if there is no QEMU on this machine. */
void rig_need_qemu(void);

/* Called after each test: checks that no child process remains. */
int rig_teardown(void **state);
#define rig_test(f) cmocka_unit_test_teardown(f, rig_teardown)

int rig_cleanup(void **state);

#endif
