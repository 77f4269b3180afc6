/* SPDX-License-Identifier: BSD-2-Clause */
/* VT-d's registers and structures in memory, by the specification's names and numbers. */
#ifndef BACKEND_VTD_REGS_H
#define BACKEND_VTD_REGS_H

#include "base/compiler.h"

#define VTD_VER	   0x00 /* 32 bits */
#define VTD_CAP	   0x08
#define VTD_ECAP   0x10
#define VTD_GCMD   0x18 /* 32 bits */
#define VTD_GSTS   0x1c /* 32 bits */
#define VTD_RTADDR 0x20
#define VTD_CCMD   0x28
#define VTD_FSTS   0x34 /* 32 bits */
#define VTD_FECTL  0x38 /* 32 bits */
#define VTD_IQH	   0x80
#define VTD_IQT	   0x88
#define VTD_IQA	   0x90

#define CAP_ND(c)    (4 + 2 * ((unsigned int)(c)&7)) /* bits of a domain number */
#define CAP_RWBF     (1ull << 4)
#define CAP_CM	     (1ull << 7)
#define CAP_SAGAW_39 (1ull << 9)
#define CAP_SAGAW_48 (1ull << 10)
#define CAP_MGAW(c)  (((unsigned int)((c) >> 16) & 0x3f) + 1)
#define CAP_FRO(c)   (((u32)((c) >> 24) & 0x3ff) * 16)
#define CAP_SLLPS_2M (1ull << 34)
#define CAP_SLLPS_1G (1ull << 35)
#define CAP_PSI	     (1ull << 39)
#define CAP_NFR(c)   (((unsigned int)((c) >> 40) & 0xff) + 1)
#define CAP_MAMV(c)  ((unsigned int)((c) >> 48) & 0x3f)
#define CAP_DWD	     (1ull << 54)
#define CAP_DRD	     (1ull << 55)

#define ECAP_QI	    (1ull << 1)
#define ECAP_IRO(e) (((u32)((e) >> 8) & 0x3ff) * 16)

/* The same bits of GSTS show the state. */
#define GCMD_TE	  (1u << 31)
#define GCMD_SRTP (1u << 30)
#define GCMD_WBF  (1u << 27)
#define GCMD_QIE  (1u << 26)
/* The bits that a write of GCMD must repeat: all but the one-shot commands. */
#define GSTS_KEPT 0x96ffffffu

#define CCMD_ICC    (1ull << 63)
#define CCMD_GLOBAL (1ull << 61)

/* The IOTLB registers: the address register is at IRO, the command register 8 bytes above it. */
#define IOTLB_IVT	(1ull << 63)
#define IOTLB_BY_DOMAIN (2ull << 60)
#define IOTLB_BY_PAGE	(3ull << 60)
#define IOTLB_DR	(1ull << 49)
#define IOTLB_DW	(1ull << 48)
#define IOTLB_DID(d)	((u64)(d) << 32)

/* Descriptors of the queue have 128 bits. */
#define INV_CONTEXT	 0x1ull
#define INV_IOTLB	 0x2ull
#define INV_WAIT	 0x5ull
#define INV_GLOBAL	 (1ull << 4)
#define INV_BY_DOMAIN	 (2ull << 4)
#define INV_BY_PAGE	 (3ull << 4)
#define INV_DW		 (1ull << 6)
#define INV_DR		 (1ull << 7)
#define INV_DID(d)	 ((u64)(d) << 16)
#define INV_WAIT_WRITE	 (1ull << 5)
#define INV_WAIT_DATA(x) ((u64)(x) << 32)

#define FSTS_OVERFLOW  (1u << 0)
#define FSTS_PENDING   (1u << 1)
#define FSTS_QUEUE     (7u << 4) /* errors of the invalidation queue */
#define FSTS_RECORD(s) ((s) >> 8 & 0xff)

#define FECTL_MASK (1u << 31)

/* A fault record has 16 bytes. These are the fields of the upper 8. */
#define FRCD_FAULT     (1ull << 63)
#define FRCD_READ      (1ull << 62)
#define FRCD_REASON(h) ((u8)((h) >> 32))
#define FRCD_SOURCE(h) ((u16)(h))

#define FAULT_ROOT_NOT_PRESENT	  0x1
#define FAULT_CONTEXT_NOT_PRESENT 0x2
#define FAULT_BEYOND_WIDTH	  0x4
#define FAULT_WRITE		  0x5
#define FAULT_READ		  0x6

/* Entries of the root and context tables. */
#define ENTRY_PRESENT  1ull
#define CONTEXT_AW_39  1ull
#define CONTEXT_AW_48  2ull
#define CONTEXT_DID(d) ((u64)(d) << 8)

#endif
