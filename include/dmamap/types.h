/* SPDX-License-Identifier: BSD-2-Clause */
/* The types that every header of dmamap shares, named as in Linux. */
#ifndef DMAMAP_TYPES_H
#define DMAMAP_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define DMAMAP_BEGIN extern "C" {
#define DMAMAP_END   }
#else
#define DMAMAP_BEGIN
#define DMAMAP_END
#endif

/* Marks what the shared library exports; src/dmamap.map lists the same names. */
#define DMAMAP_API __attribute__((visibility("default")))

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64; /* not uint64_t: Linux's formats are %llu and %llx everywhere */
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef long long s64;

typedef u64 dma_addr_t;	    /* an address that a device uses */
typedef u64 phys_addr_t;    /* an address of memory on the machine's bus */
typedef unsigned int gfp_t; /* how to allocate memory: GFP_*, see linux/gfp.h */

struct device; /* opened by dmamap_open() */
struct page;   /* one page of the machine's RAM, see linux/mm.h */

#endif
