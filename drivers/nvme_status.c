/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Status codes as text (Base Specification, "Status Field Definition"; NVM Command Set). A status
 * is 15 bits of the completion: code in bits 0 to 7, type in bits 8 to 10, flags above.
 */
#include "drivers/nvme_private.h"

#include <stdio.h>

#define TYPE_AND_CODE 0x7ff

static const struct {
	u16 status;
	int err;
	const char *text;
} table[] = {
	{0x000, 0, "success"},
	{0x001, EOPNOTSUPP, "the controller does not support the command"},
	{0x002, EINVAL, "a field of the command is invalid"},
	{0x003, EIO, "two commands had one identifier"},
	{0x004, EIO,
	 "the controller could not transfer the data: an access to memory was refused or the "
	 "disk failed"},
	{0x005, EIO, "aborted by a power loss"},
	{0x006, EIO, "an internal error of the controller"},
	{0x007, ECANCELED, "aborted on request"},
	{0x008, ECANCELED, "aborted because its queue was deleted"},
	{0x00b, ENODEV, "no such namespace, or a format that the command does not support"},
	{0x00c, EIO, "commands out of sequence"},
	{0x00f, EINVAL, "wrong number of data descriptors"},
	{0x010, EINVAL, "wrong length of data"},
	{0x013, EINVAL, "a PRP has an invalid offset"},
	{0x01d, EIO, "a sanitize operation is in progress"},
	{0x020, EROFS, "the namespace is write protected"},
	{0x080, ERANGE, "beyond the end of the namespace"},
	{0x081, ENOSPC, "the namespace's capacity is exceeded"},
	{0x082, EBUSY, "the namespace is not ready"},
	{0x083, EBUSY, "a reservation conflicts"},
	{0x084, EBUSY, "a format is in progress"},
	{0x100, EINVAL, "the completion queue is invalid"},
	{0x101, EINVAL, "the queue identifier is invalid"},
	{0x102, EINVAL, "the queue size is invalid"},
	{0x106, EINVAL, "the firmware slot is invalid"},
	{0x108, EINVAL, "the interrupt vector is invalid"},
	{0x109, EINVAL, "the log page is invalid"},
	{0x10a, EINVAL, "the format is invalid"},
	{0x10c, EBUSY, "the completion queue still has submission queues"},
	{0x10d, EOPNOTSUPP, "the feature cannot be saved"},
	{0x10e, EOPNOTSUPP, "the feature cannot be changed"},
	{0x180, EINVAL, "the attributes conflict"},
	{0x181, EINVAL, "the protection information is invalid"},
	{0x182, EROFS, "an attempt to write to a read-only range"},
	{0x280, EIO, "write fault of the medium"},
	{0x281, EIO, "unrecovered read error of the medium"},
	{0x282, EIO, "end-to-end guard check failed"},
	{0x283, EIO, "end-to-end application tag check failed"},
	{0x284, EIO, "end-to-end reference tag check failed"},
	{0x285, EIO, "compare failure"},
	{0x286, EACCES, "access denied"},
	{0x287, EIO, "deallocated or unwritten block"},
};

const char *nvme_status_text(u16 status)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].status == (status & TYPE_AND_CODE))
			return table[i].text;
	}
	return "a status that is unknown to this driver";
}

int nvme_status_errno(u16 status)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].status == (status & TYPE_AND_CODE))
			return -table[i].err;
	}
	return -EIO;
}

static const char *nvme_op_name(const struct nvme_request *req)
{
	switch ((int)req->op) {
	case NVME_READ:
		return "reading";
	case NVME_WRITE:
		return "writing";
	case NVME_FLUSH:
		return "flushing";
	case NVME_WRITE_ZEROES:
		return "writing zeroes to";
	case NVME_DISCARD:
		return "discarding";
	default:
		return "an admin command about";
	}
}

/* Sets the error message of a failed request, with or without a status of the controller. */
static int nvme_request_fail_why(const struct nvme *nvme, const struct nvme_request *req,
				 const char *what)
{
	const char *name = dev_name(nvme->dev);

	if (req->status)
		return driver_fail(-req->result, "%s: %s failed: %s (status 0x%03x)", name, what,
				   nvme_status_text(req->status), req->status);
	if (nvme_is_dead(nvme))
		return driver_fail(-req->result,
				   "%s: %s failed: the controller failed and was stopped: %s", name,
				   what, nvme->why);
	if (req->result == -EINTR)
		return driver_fail(EINTR,
				   "%s: %s was interrupted while its data could not be mapped",
				   name, what);
	if (req->result == -ENOMEM)
		return driver_fail_why(ENOMEM,
				       "%s: %s failed: its data could not be mapped for %u ms",
				       name, what, nvme->options.retry_ms);
	return driver_fail(-req->result, "%s: %s failed: %s", name, what, strerror(-req->result));
}

int nvme_request_fail(const struct nvme *nvme, const struct nvme_request *req)
{
	char what[96];

	if (!req->result)
		return 0;
	if (req->op == NVME_ADMIN)
		snprintf(what, sizeof(what), "admin command 0x%02x", req->admin[0]);
	else
		snprintf(what, sizeof(what), "%s %u blocks at block %llu", nvme_op_name(req),
			 req->blocks, (unsigned long long)req->lba);
	return nvme_request_fail_why(nvme, req, what);
}
