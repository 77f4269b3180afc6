/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `dmamap faults`: accesses of the device that were refused. A device that was just opened has made
 * no access. Its driver, if there is one, is therefore started and stopped first, so that accesses
 * that fail because of an error in the set-up are reported.
 */
#include "cli.h"

#include "drivers/e1000e.h"
#include "drivers/edu.h"
#include "drivers/message.h"
#include "drivers/nvme.h"

#include <dmamap/bus.h>
#include <dmamap/stats.h>
#include <stdio.h>

static const struct argp argp = {
	common_options,
	common_option,
	NULL,
	"Lists accesses that were refused to a device.\vStarts and stops the device's driver "
	"(nvme, edu, e1000e), then lists the recorded faults.",
	NULL,
	NULL,
	NULL};

static const char *cmd_faults_reason_text(int reason)
{
	switch (reason) {
	case DMAMAP_FAULT_NOT_MAPPED:
		return "not mapped";
	case DMAMAP_FAULT_NO_READ:
		return "mapped for writing only";
	case DMAMAP_FAULT_NO_WRITE:
		return "mapped for reading only";
	case DMAMAP_FAULT_ADDRESS:
		return "beyond the device's address lines";
	case DMAMAP_FAULT_STUCK:
		return "the device was declared stuck";
	case DMAMAP_FAULT_GONE:
		return "the memory has left the process";
	default:
		return "unknown";
	}
}

/* If the driver fails, the faults are printed nevertheless. */
static void cmd_faults_exercise(struct device *dev, const char *spec)
{
	struct e1000e *nic;
	struct nvme *nvme;
	struct edu *edu;
	static char byte; /* it is mapped, and memory of the stack must not be */

	if (spec_target_is(spec, "nvme")) {
		nvme = nvme_probe(dev, &(struct nvme_options){.interrupted = cli_interrupted});
		if (!nvme)
			cli_fail("%s", driver_strerror());
		nvme_remove(nvme);
	} else if (spec_target_is(spec, "edu")) {
		edu = edu_probe(dev);
		if (!edu || edu_write(edu, &byte, 0, 1))
			cli_fail("%s", driver_strerror());
		edu_remove(edu);
	} else if (spec_target_is(spec, "e1000e")) {
		nic = e1000e_probe(dev, NULL);
		if (!nic || e1000e_start(nic))
			cli_fail("%s", driver_strerror());
		e1000e_remove(nic);
	}
}

static void cmd_faults_fault_json(struct json_object *list, const struct dmamap_fault *f)
{
	struct json_object *o = json_object_new_object();

	json_put_u64(o, "addr", f->addr);
	json_put_u64(o, "len", f->len);
	json_put_bool(o, "write", f->write);
	json_put_text(o, "reason", cmd_faults_reason_text(f->reason));
	json_put_u64(o, "when_ns", f->when_ns);
	json_object_array_add(list, o);
}

int cmd_faults(int argc, char **argv)
{
	struct dmamap_stats st = {.size = sizeof(st)};
	struct json_object *o, *list;
	struct dmamap_fault f;
	struct cli_common args = {0};
	struct device *dev;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (!args.device) {
		fprintf(stderr, "dmamap faults: give --device SPEC\n");
		return CLI_USAGE;
	}
	dev = device_open(args.device);
	if (!dev)
		return CLI_FAILED;
	cmd_faults_exercise(dev, args.device);
	dmamap_stats(dev, &st);
	list = json_object_new_array();
	while (dmamap_bus_fault_next(dev, &f) == 1) {
		cmd_faults_fault_json(list, &f);
		if (!args.json)
			printf("%s of %zu bytes at 0x%llx: %s\n", f.write ? "write" : "read ",
			       f.len, (unsigned long long)f.addr, cmd_faults_reason_text(f.reason));
	}
	dmamap_close(dev);
	if (cli_interrupted()) {
		json_object_put(list);
		return cli_fail("faults: interrupted while the driver was started");
	}
	if (!args.json) {
		printf("%llu faults, %llu of them not recorded\n", (unsigned long long)st.faults,
		       (unsigned long long)st.faults_lost);
		json_object_put(list);
		return CLI_DONE;
	}
	o = json_object_new_object();
	json_put_text(o, "device", args.device);
	json_object_object_add(o, "faults", list);
	json_put_u64(o, "lost", st.faults_lost);
	return json_finish(o);
}
