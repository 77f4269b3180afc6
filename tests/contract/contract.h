/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The body of the contract: tests that hold for every configuration. Each test runs for each line
 * of the table in contract.c. A test opens and closes no device unless that is its subject: setup
 * opens the device, and teardown detects what was left mapped, allocated, reported or refused.
 *
 * The program also makes the device's accesses, by <dmamap/bus.h>. The functions below say what a
 * configuration guarantees beyond the others; tests do not examine the spec.
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

/* No RAM is at this address, and no allocator of address space begins there. */
#define NOWHERE (bus_offset() + 0xd0000000ull)

struct config {
	const char *name;
	const char *spec;
	unsigned int mask_bits; /* both masks, set after opening */
};

extern const struct config *config;
extern struct device *dev;

/* The guarantees of the configuration. */
bool has_iommu(void);
bool is_coherent(void);
bool is_untrusted(void);
bool is_lazy(void);
bool ram_stays_mapped(void); /* policy=identity and persistent */
bool is_checked(void);	     /* the checker is on */
u64 bus_offset(void);
bool has_gap(void); /* RAM has two parts, with no memory between 3 and 4 GiB */
/* A mapping of RAM is a translation of its own: it obeys its direction, and unmap removes it. */
bool protects_ram(void);
/*
 * The device is one of QEMU's: memory outside RAM bounces, and addresses without memory are not
 * refused.
 */
bool on_qemu(void);
bool accesses_take_long(void); /* the device is QEMU's, or another process serves it */
/*
 * The library receives refused accesses with their reasons. A kernel that owns the IOMMU reports
 * them to no process.
 */
bool has_fault_records(void);
/*
 * A mapping that the device may only write cannot be read. Linux's driver for VT-d (6.12) makes it
 * readable, too.
 */
bool refuses_reads(void);
/* Registers of other devices can be mapped, at any physical address. */
bool maps_registers(void);
bool pins_memory(void);
/* A mapping of memory outside RAM is a translation of its own under every policy. */
bool protects_other_memory(void);

/*
 * Mappings of memory outside RAM stay after unmap until the memory is unmapped from the process:
 * policy=persistent.
 */
bool keeps_other_memory(void);

/* Opens another device of the same configuration and sets its mask. */
struct device *open_another(const char *more_keys);
u64 mask_of(unsigned int bits);
struct dmamap_stats stats(void);
u64 live(void); /* streaming mappings */

/* Memory of each kind that a driver may map. */
enum kind {
	KMALLOC,
	PAGES,	   /* as high as RAM reaches */
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

/* Bytes from which a test can derive the fill and the offset. */
void fill(void *p, size_t n, u32 seed);
bool holds(const void *p, size_t n, u32 seed);
/* The same for the part that begins at byte `from` of such a fill. */
bool holds_part(const void *p, size_t n, u32 seed, size_t from);
bool all_are(const void *p, size_t n, u8 value);

u32 rnd(u32 below); /* a fixed sequence, equal in every test */

/* The device's accesses. */
void device_reads(dma_addr_t addr, void *buf, size_t n);
void device_writes(dma_addr_t addr, const void *buf, size_t n);
bool device_sees(dma_addr_t addr, size_t n, u32 seed);
/* The access is refused completely, and the fault is recorded with the reason. */
void device_is_refused(dma_addr_t addr, size_t n, bool write, int reason);

/*
 * One report of the kind was made since the last expected one; none may be left at the end of a
 * test.
 */
void reported(enum dmamap_check_kind kind);
void reports_forget(void);
/* This thread's error message contains the word; the message is cleared. */
void error_contains(const char *word);
/* DMA_MAPPING_ERROR with an error message that contains the word, and nothing is mapped. */
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
