/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers, queue entries, commands and status codes of the NVM Express base specification 1.4 and
 * its NVM command set, as far as the model implements them. All fields are little-endian.
 */
#ifndef MODELS_NVME_REGS_H
#define MODELS_NVME_REGS_H

#include "util.h"

#include <endian.h>
#include <string.h>

enum nvme_reg {
	NVME_REG_CAP = 0x00,
	NVME_REG_VS = 0x08,
	NVME_REG_INTMS = 0x0c,
	NVME_REG_INTMC = 0x10,
	NVME_REG_CC = 0x14,
	NVME_REG_CSTS = 0x1c,
	NVME_REG_NSSR = 0x20,
	NVME_REG_AQA = 0x24,
	NVME_REG_ASQ = 0x28,
	NVME_REG_ACQ = 0x30,
	NVME_REG_CMBLOC = 0x38,
	NVME_REG_CMBSZ = 0x3c,
	NVME_REG_DOORBELLS = 0x1000,
};

#define NVME_CAP_CQR	   (1ull << 16)
#define NVME_CAP_TO_SHIFT  24 /* in units of 500 ms */
#define NVME_CAP_CSS_NVM   (1ull << 37)
#define NVME_CAP_MPSMAX(n) ((u64)(n) << 52)

#define NVME_VERSION_1_4 0x00010400u

#define NVME_CC_EN	   0x1u
#define NVME_CC_CSS(cc)	   (((cc) >> 4) & 7)
#define NVME_CC_MPS(cc)	   (((cc) >> 7) & 15)
#define NVME_CC_AMS(cc)	   (((cc) >> 11) & 7)
#define NVME_CC_SHN(cc)	   (((cc) >> 14) & 3)
#define NVME_CC_IOSQES(cc) (((cc) >> 16) & 15)
#define NVME_CC_IOCQES(cc) (((cc) >> 20) & 15)
#define NVME_CC_WRITABLE   0x00fffff1u

#define NVME_CSTS_RDY	    0x1u
#define NVME_CSTS_CFS	    0x2u
#define NVME_CSTS_SHST_MASK 0xcu
#define NVME_CSTS_SHST_BUSY 0x4u
#define NVME_CSTS_SHST_DONE 0x8u

struct nvme_sqe { /* a command in the submission queue */
	u32 cdw0; /* opcode 7:0, fuse 9:8, PSDT 15:14, command id 31:16 */
	u32 nsid;
	u32 cdw2, cdw3;
	u64 mptr;
	u64 prp1, prp2;
	u32 cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

struct nvme_cqe { /* a completion; phase and status share the last dword, which becomes visible last
		   */
	u32 result;
	u32 reserved;
	u16 sq_head, sq_id;
	u16 cid;
	u16 status; /* phase in bit 0, status above it */
};

_Static_assert(sizeof(struct nvme_sqe) == 64, "a submission queue entry is 64 bytes");
_Static_assert(sizeof(struct nvme_cqe) == 16, "a completion queue entry is 16 bytes");

#define NVME_SQE_SHIFT 6
#define NVME_CQE_SHIFT 4

enum nvme_admin_opcode {
	NVME_ADMIN_DELETE_SQ = 0x00,
	NVME_ADMIN_CREATE_SQ = 0x01,
	NVME_ADMIN_GET_LOG = 0x02,
	NVME_ADMIN_DELETE_CQ = 0x04,
	NVME_ADMIN_CREATE_CQ = 0x05,
	NVME_ADMIN_IDENTIFY = 0x06,
	NVME_ADMIN_ABORT = 0x08,
	NVME_ADMIN_SET_FEATURES = 0x09,
	NVME_ADMIN_GET_FEATURES = 0x0a,
	NVME_ADMIN_ASYNC_EVENT = 0x0c,
};

enum nvme_io_opcode {
	NVME_IO_FLUSH = 0x00,
	NVME_IO_WRITE = 0x01,
	NVME_IO_READ = 0x02,
	NVME_IO_COMPARE = 0x05,
	NVME_IO_WRITE_ZEROES = 0x08,
	NVME_IO_DATASET = 0x09,
};

#define NVME_IO_FUA (1u << 30) /* in cdw12 */

/* Status: code 7:0, type 10:8, "more" 13, "do not retry" 14. */
#define NVME_SC(type, code) (((type) << 8) | (code))
#define NVME_MORE	    0x2000
#define NVME_DNR	    0x4000

enum nvme_status {
	NVME_OK = NVME_SC(0, 0x00),
	NVME_INVALID_OPCODE = NVME_SC(0, 0x01),
	NVME_INVALID_FIELD = NVME_SC(0, 0x02),
	NVME_DATA_TRANSFER = NVME_SC(0, 0x04),
	NVME_INTERNAL = NVME_SC(0, 0x06),
	NVME_ABORT_REQUESTED = NVME_SC(0, 0x07),
	NVME_INVALID_NAMESPACE = NVME_SC(0, 0x0b),
	NVME_COMMAND_SEQUENCE = NVME_SC(0, 0x0c),
	NVME_PRP_OFFSET = NVME_SC(0, 0x13),
	NVME_WRITE_PROTECTED = NVME_SC(0, 0x20),
	NVME_LBA_RANGE = NVME_SC(0, 0x80),
	NVME_CAPACITY = NVME_SC(0, 0x81),
	NVME_CQ_INVALID = NVME_SC(1, 0x00),
	NVME_QUEUE_ID = NVME_SC(1, 0x01),
	NVME_QUEUE_SIZE = NVME_SC(1, 0x02),
	NVME_EVENT_LIMIT = NVME_SC(1, 0x05),
	NVME_VECTOR = NVME_SC(1, 0x08),
	NVME_LOG_PAGE = NVME_SC(1, 0x09),
	NVME_QUEUE_DELETION = NVME_SC(1, 0x0c),
	NVME_NOT_SAVEABLE = NVME_SC(1, 0x0d),
	NVME_NOT_CHANGEABLE = NVME_SC(1, 0x0e),
	NVME_NOT_NAMESPACE = NVME_SC(1, 0x0f),
	NVME_WRITE_FAULT = NVME_SC(2, 0x80),
	NVME_READ_ERROR = NVME_SC(2, 0x81),
	NVME_COMPARE_FAILED = NVME_SC(2, 0x85),
};

#define NVME_NSID_ALL 0xffffffffu

/* Store at a byte offset of a data structure. */
static inline void nvmesim_put_le16(void *buf, size_t at, u16 v)
{
	v = htole16(v);
	memcpy((u8 *)buf + at, &v, sizeof(v));
}

static inline void nvmesim_put_le32(void *buf, size_t at, u32 v)
{
	v = htole32(v);
	memcpy((u8 *)buf + at, &v, sizeof(v));
}

static inline void nvmesim_put_le64(void *buf, size_t at, u64 v)
{
	v = htole64(v);
	memcpy((u8 *)buf + at, &v, sizeof(v));
}

static inline u32 nvmesim_get_le32(const void *buf, size_t at)
{
	u32 v;

	memcpy(&v, (const u8 *)buf + at, sizeof(v));
	return le32toh(v);
}

static inline u64 nvmesim_get_le64(const void *buf, size_t at)
{
	u64 v;

	memcpy(&v, (const u8 *)buf + at, sizeof(v));
	return le64toh(v);
}

#endif
