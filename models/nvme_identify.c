/* SPDX-License-Identifier: BSD-2-Clause */
/* Identify: the data structures of the controller and its namespace. */
#include "nvme.h"

#include <stdio.h>

#define VENDOR		 0x1b36
#define SUBSYSTEM_VENDOR 0x1af4
#define MODEL		 "dmamap NVMe controller"
#define FIRMWARE	 "1.0"
#define HOT		 353u /* kelvin; critical temperature */

/* The requested data structure. */
enum nvme_cns {
	CNS_NAMESPACE = 0x00,
	CNS_CONTROLLER = 0x01,
	CNS_ACTIVE_LIST = 0x02,
	CNS_DESCRIPTORS = 0x03,
};

static void nvmesim_identify_put_ascii(u8 *buf, size_t at, size_t size, const char *text)
{
	size_t len = strlen(text);

	memset(buf + at, ' ', size);
	memcpy(buf + at, text, len < size ? len : size);
}

/* Derives a UUID, marked as random, from the serial number alone. */
static void nvmesim_identify_make_uuid(const char *serial, u8 uuid[16])
{
	u64 half[2] = {0xcbf29ce484222325ull, 0x84222325cbf29ce4ull};
	const char *p;
	int i;

	for (i = 0; i < 2; i++) {
		for (p = serial; *p; p++)
			half[i] = (half[i] ^ (u8)*p) * 0x100000001b3ull;
		nvmesim_put_le64(uuid, (size_t)i * 8, half[i]);
	}
	uuid[6] = (uuid[6] & 0x0f) | 0x40;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
}

static void nvmesim_identify_put_qualified_name(u8 *p, const char *serial)
{
	u8 u[16];

	nvmesim_identify_make_uuid(serial, u);
	snprintf((char *)p, 256,
		 "nqn.2014-08.org.nvmexpress:uuid:%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		 u[13], u[14], u[15]);
}

static void nvmesim_identify_controller(struct nvmesim *n, u8 *p)
{
	nvmesim_put_le16(p, 0, VENDOR);
	nvmesim_put_le16(p, 2, SUBSYSTEM_VENDOR);
	nvmesim_identify_put_ascii(p, 4, 20, n->serial);
	nvmesim_identify_put_ascii(p, 24, 40, MODEL);
	nvmesim_identify_put_ascii(p, 64, 8, FIRMWARE);
	p[72] = 4;			   /* RAB: 2^4 commands of a queue in a turn */
	memcpy(p + 73, "\x00\x54\x52", 3); /* IEEE OUI, locally administered */
	p[77] = NVME_MDTS;
	nvmesim_put_le32(p, 80, NVME_VERSION_1_4);
	p[111] = 1;		      /* CNTRLTYPE: I/O controller */
	p[258] = 3;		      /* ACL: concurrent aborts, 0's based */
	p[259] = NVME_EVENTS_MAX - 1; /* AERL */
	p[260] = 0x03;		      /* FRMW: one slot, read-only */
	p[261] = 0x06;		      /* LPA: effects log, extended Get Log Page */
	p[262] = NVME_ERRORS - 1;     /* ELPE */
	nvmesim_put_le16(p, 266, NVME_WARM);
	nvmesim_put_le16(p, 268, HOT);
	nvmesim_put_le64(p, 280, n->image.size); /* TNVMCAP */
	p[512] = NVME_SQE_SHIFT << 4 | NVME_SQE_SHIFT;
	p[513] = NVME_CQE_SHIFT << 4 | NVME_CQE_SHIFT;
	nvmesim_put_le32(p, 516, 1);	  /* NN */
	nvmesim_put_le16(p, 520, 0x000d); /* ONCS: compare, dataset management, write zeroes */
	p[525] = 0x07;			  /* VWC: present; flush of all namespaces is fine */
	nvmesim_identify_put_qualified_name(p + 768, n->serial);
	nvmesim_put_le16(p, 2048, 2500); /* power state 0: 25 W, the only one */
}

static void nvmesim_identify_namespace(struct nvmesim *n, u8 *p)
{
	nvmesim_put_le64(p, 0, n->image.blocks);
	nvmesim_put_le64(p, 8, n->image.blocks);
	nvmesim_put_le64(p, 16, n->image.blocks);
	nvmesim_put_le64(p, 48, n->image.size);		/* NVMCAP */
	p[99] = n->image.readonly;			/* NSATTR: write protected */
	nvmesim_identify_make_uuid(n->serial, p + 104); /* NGUID */
	p[130] = NVME_BLOCK_SHIFT;			/* LBA format 0 */
}

static void nvmesim_identify_descriptors(struct nvmesim *n, u8 *p)
{
	p[0] = 3; /* a UUID */
	p[1] = 16;
	nvmesim_identify_make_uuid(n->serial, p + 4);
}

u16 nvmesim_identify(struct nvmesim *n, struct nvme_cmd *c)
{
	u8 *p = n->page;
	u32 cns = c->cdw10 & 0xff;
	u16 status;

	if (cns > CNS_DESCRIPTORS)
		return NVME_INVALID_FIELD;
	if ((cns == CNS_NAMESPACE || cns == CNS_DESCRIPTORS) && c->nsid != 1)
		return NVME_INVALID_NAMESPACE;
	if (cns == CNS_ACTIVE_LIST && c->nsid >= NVME_NSID_ALL - 1)
		return NVME_INVALID_NAMESPACE;
	status = nvmesim_data_parse(n, c, sizeof(n->page));
	if (status)
		return status;
	/* the PRP list was in n->page until now */
	memset(p, 0, sizeof(n->page));
	if (cns == CNS_NAMESPACE)
		nvmesim_identify_namespace(n, p);
	else if (cns == CNS_CONTROLLER)
		nvmesim_identify_controller(n, p);
	else if (cns == CNS_DESCRIPTORS)
		nvmesim_identify_descriptors(n, p);
	else if (c->nsid < 1)
		nvmesim_put_le32(p, 0, 1);
	return nvmesim_data_put(n, p, sizeof(n->page));
}
