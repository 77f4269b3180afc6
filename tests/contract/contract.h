/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contract's body: tests that hold for every configuration, each run for each line of the table
 * in contract.c. A test opens nothing and closes nothing unless it is about that: setup opens the
 * device, teardown finds what was left mapped, allocated, reported or refused.
 *
 * The program plays the device, too, by <dmamap/bus.h>. What a configuration promises beyond the
 * others is asked of the functions below, never of the spec.
 */
#ifndef TESTS_CONTRACT_H
#define TESTS_CONTRACT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dmamap/bus.h>
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define KB	 1024ul
#define MB	 (1024 * KB)
#define GB	 (1024 * MB)

/* Nothing of RAM lies there, and no allocator of address space begins there. */
#define NOWHERE (bus_offset() + 0xd0000000ull)

struct config {
	const char *name;
	const char *spec;
	unsigned int mask_bits; /* of both masks, set after opening */
};

extern const struct config *config;
extern struct device *dev;

/* What the configuration promises. */
bool has_iommu(void);
bool is_coherent(void);
bool is_untrusted(void);
bool is_lazy(void);
bool ram_stays_mapped(void); /* policy=identity and persistent */
bool is_checked(void);	     /* reports come */
u64 bus_offset(void);
bool has_gap(void); /* RAM has two parts, with no memory between 3 and 4 GiB */
/* A mapping of RAM is a translation of its own, which obeys its direction and ends with it. */
bool protects_ram(void);
/* The device is one of QEMU's: memory outside RAM bounces, and nothing refuses what is no memory.
 */
bool on_qemu(void);
/* The library hears of refused accesses, with their reasons; a kernel that owns the IOMMU tells
 * nobody. */
bool has_fault_records(void);
/* What is mapped for writing only cannot be read. Linux's driver for VT-d maps it readable, too
 * (6.12). */
bool refuses_reads(void);
/* Other devices' registers can be mapped, at any physical address. */
bool maps_registers(void);
/* A mapping of memory outside RAM is: so it is under every policy. */
bool protects_other_memory(void);

/* Mappings of memory outside RAM stay after unmap, until the memory goes: policy=persistent. */
bool keeps_other_memory(void);

struct device *open_another(const char *more_keys); /* of the same configuration, mask set */
u64 mask_of(unsigned int bits);
struct dmamap_stats stats(void);
u64 live(void); /* streaming mappings */

/* Memory of each kind that a driver may map. */
enum kind {
	KMALLOC,
	PAGES,	   /* as high as there is RAM */
	LOW_PAGES, /* below 4 GiB */
	HEAP,	   /* malloc: outside RAM */
	KINDS
};

struct buffer {
	u8 *cpu;
	size_t size;
	enum kind kind;
};

extern const char *const kind_names[KINDS];

struct buffer buffer_get(enum kind kind,
			 size_t size); /* aligned to a cache line, filled with 0xee */
void buffer_put(struct buffer *b);
bool is_ram(const struct buffer *b);

/* Bytes that tell which byte of which fill they are. */
void fill(void *p, size_t n, u32 seed);
bool holds(const void *p, size_t n, u32 seed);
/* The same of the part that begins at byte `from` of such a fill. */
bool holds_part(const void *p, size_t n, u32 seed, size_t from);
bool all_are(const void *p, size_t n, u8 value);

u32 rnd(u32 below); /* a fixed sequence, the same for each test */

/* The device acts. */
void device_reads(dma_addr_t addr, void *buf, size_t n);
void device_writes(dma_addr_t addr, const void *buf, size_t n);
bool device_sees(dma_addr_t addr, size_t n, u32 seed);
/* It is refused, whole, and that is recorded with the reason. */
void device_is_refused(dma_addr_t addr, size_t n, bool write, int reason);

/* One report of the kind came since the last; none must be left at the end of a test. */
void reported(enum dmamap_check_kind kind);
void reports_forget(void);
/* This thread's sentence has the word; it is cleared. */
void error_contains(const char *word);
/* DMA_MAPPING_ERROR, with a sentence that has the word, and nothing mapped. */
void map_failed(dma_addr_t addr, const char *word);

int contract_setup(void **state);
int contract_teardown(void **state);

#define contract_test(f) cmocka_unit_test_setup_teardown(f, contract_setup, contract_teardown)

/* The files of the body. */
extern const struct CMUnitTest mask_tests[], limit_tests[], advertised_tests[], coherent_tests[],
	pool_tests[], streaming_tests[], misuse_tests[], sg_tests[], sync_tests[], bounce_tests[],
	isolation_tests[], bus_tests[], group_tests[], thread_tests[], twostep_tests[],
	gone_tests[], function_tests[];
extern const size_t n_mask_tests, n_limit_tests, n_advertised_tests, n_coherent_tests, n_pool_tests,
	n_streaming_tests, n_misuse_tests, n_sg_tests, n_sync_tests, n_bounce_tests,
	n_isolation_tests, n_bus_tests, n_group_tests, n_thread_tests, n_twostep_tests,
	n_gone_tests, n_function_tests;

#endif
