/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `dmamap list`: PCI functions as sysfs shows them (Documentation/ABI/testing/sysfs-bus-pci), and
 * the simulated devices. A property that sysfs does not have is omitted; a machine without PCI is
 * not an error.
 */
#include "cli.h"

#include "vfio/bind.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct argp argp = {
	common_options,
	common_option,
	NULL,
	"Lists PCI functions with IOMMU group, driver and reserved ranges, and whether dmamap can "
	"open each; if not, the reason and the commands that remedy it (list does not run them). "
	"Then lists the simulated devices.\vDMAMAP_SYSFS in the environment names another "
	"directory than /sys.",
	NULL,
	NULL,
	NULL};

static const struct {
	const char *spec, *text;
} simulated[] = {
	{"sim", "a bus master of the simulated machine whose accesses the program makes"},
	{"sim:edu", "the teaching device of QEMU (PCI 1234:11e8)"},
	{"sim:nvme,image=FILE", "an NVM Express controller (PCI 1b36:0010) whose disk is FILE"},
	{"sim:e1000e,wire=pair:NAME",
	 "an Intel 82574L (PCI 8086:10d3), connected to another one, or to pcap-in= and pcap-out="},
};

#define N_SIMULATED (sizeof(simulated) / sizeof(simulated[0]))

/* PCI class codes, upper 16 bits (PCI Code and ID Assignment Specification). */
static const struct {
	unsigned int class;
	const char *name;
} classes[] = {
	{0x0100, "SCSI controller"},
	{0x0101, "IDE controller"},
	{0x0104, "RAID controller"},
	{0x0106, "SATA controller"},
	{0x0108, "NVMe controller"},
	{0x0180, "storage controller"},
	{0x0200, "Ethernet controller"},
	{0x0280, "network controller"},
	{0x0300, "VGA controller"},
	{0x0302, "3D controller"},
	{0x0380, "display controller"},
	{0x0401, "audio device"},
	{0x0403, "audio device"},
	{0x0500, "RAM memory"},
	{0x0580, "memory controller"},
	{0x0600, "host bridge"},
	{0x0601, "ISA bridge"},
	{0x0604, "PCI bridge"},
	{0x0680, "bridge"},
	{0x0700, "serial controller"},
	{0x0780, "communication controller"},
	{0x0800, "interrupt controller"},
	{0x0806, "IOMMU"},
	{0x0880, "system peripheral"},
	{0x0c03, "USB controller"},
	{0x0c05, "SMBus"},
	{0x0ff0, "other"},
	{0x1080, "encryption controller"},
	{0x1180, "signal processing controller"},
	{0x1200, "processing accelerator"},
	{0x00ff, "device"},
};

static const char *cmd_list_class_name(unsigned int class)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (classes[i].class == class >> 8)
			return classes[i].name;
	}
	return "device";
}

struct list_function {
	char *address;
	struct pci_function pci;
	bool can_open;
	char missing[1024], remedy[640]; /* if it cannot be opened */
	unsigned int class, vendor, device;
	struct json_object *reserved; /* list of {first, last, type} */
};

static unsigned int cmd_list_read_hex(const char *address, const char *leaf)
{
	char text[32];

	sysfs_text(address, leaf, text, sizeof(text));
	return (unsigned int)strtoul(text, NULL, 16);
}

/* Parses lines of "0x... 0x... type". */
static struct json_object *cmd_list_read_reserved(const char *address)
{
	struct json_object *list = json_object_new_array(), *o;
	unsigned long long first, last;
	char path[SYSFS_PATH_MAX], line[256], type[64];
	FILE *f = NULL;

	if (sysfs_path(path, address, "iommu_group/reserved_regions"))
		f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %llx %63s", &first, &last, type) != 3)
			continue;
		o = json_object_new_object();
		json_put_u64(o, "first", first);
		json_put_u64(o, "last", last);
		json_put_text(o, "type", type);
		json_object_array_add(list, o);
	}
	if (f)
		fclose(f);
	return list;
}

static void cmd_list_function_read(struct list_function *f, char *address)
{
	struct pci_address pci;

	*f = (struct list_function){.address = address};
	f->class = cmd_list_read_hex(address, "class");
	f->vendor = cmd_list_read_hex(address, "vendor");
	f->device = cmd_list_read_hex(address, "device");
	snprintf(pci.text, sizeof(pci.text), "%.31s", address);
	pci_function_read(&f->pci, &pci);
	f->can_open = !pci_obstacle(&f->pci, f->remedy, sizeof(f->remedy));
	if (!f->can_open)
		snprintf(f->missing, sizeof(f->missing), "%s", dmamap_strerror());
	f->reserved = cmd_list_read_reserved(address);
}

static void cmd_list_function_text(const struct list_function *f)
{
	printf("%-13s %04x:%04x %s, driver %s, IOMMU group %s\n", f->address, f->vendor, f->device,
	       cmd_list_class_name(f->class), f->pci.driver[0] ? f->pci.driver : "none",
	       f->pci.group[0] ? f->pci.group : "none");
	for (size_t i = 0; i < json_object_array_length(f->reserved); i++) {
		struct json_object *r = json_object_array_get_idx(f->reserved, i);

		printf("              reserved 0x%llx to 0x%llx: %s\n",
		       (unsigned long long)json_object_get_uint64(
			       json_object_object_get(r, "first")),
		       (unsigned long long)json_object_get_uint64(
			       json_object_object_get(r, "last")),
		       json_object_get_string(json_object_object_get(r, "type")));
	}
	if (f->can_open)
		printf("              can be opened: vfio:%s%s%s\n", f->address,
		       f->pci.cdev[0] ? ", iommufd:" : "", f->pci.cdev[0] ? f->address : "");
	else
		printf("              cannot be opened: %s\n", f->missing);
	if (f->remedy[0])
		printf("              remedy: %s\n", f->remedy);
	json_object_put(f->reserved);
}

static struct json_object *cmd_list_function_json(const struct list_function *f)
{
	struct json_object *o = json_object_new_object();
	char text[16];

	json_put_text(o, "address", f->address);
	snprintf(text, sizeof(text), "%06x", f->class);
	json_put_text(o, "class", text);
	json_put_text(o, "class_name", cmd_list_class_name(f->class));
	snprintf(text, sizeof(text), "%04x", f->vendor);
	json_put_text(o, "vendor", text);
	snprintf(text, sizeof(text), "%04x", f->device);
	json_put_text(o, "device", text);
	json_put_text(o, "driver", f->pci.driver[0] ? f->pci.driver : NULL);
	json_put_text(o, "iommu_group", f->pci.group[0] ? f->pci.group : NULL);
	json_object_object_add(o, "reserved", f->reserved);
	json_put_bool(o, "can_open", f->can_open);
	json_put_text(o, "missing", f->can_open ? NULL : f->missing);
	json_put_text(o, "remedy", f->remedy[0] ? f->remedy : NULL);
	return o;
}

static int cmd_list_by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int cmd_list_is_function(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int cmd_list_functions_scan(struct dirent ***names)
{
	char path[SYSFS_PATH_MAX];
	int n = -1;

	if (sysfs_path(path, NULL, NULL))
		n = scandir(path, names, cmd_list_is_function, cmd_list_by_name);
	if (n < 0)
		*names = NULL;
	return n < 0 ? 0 : n;
}

static struct json_object *cmd_list_simulated_json(void)
{
	struct json_object *list = json_object_new_array(), *o;

	for (size_t i = 0; i < N_SIMULATED; i++) {
		o = json_object_new_object();
		json_put_text(o, "spec", simulated[i].spec);
		json_put_text(o, "description", simulated[i].text);
		json_put_bool(o, "can_open", true);
		json_object_array_add(list, o);
	}
	return list;
}

int cmd_list(int argc, char **argv)
{
	struct json_object *o, *functions;
	struct cli_common args = {0};
	struct dirent **names;
	struct list_function f;
	int n;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	functions = json_object_new_array();
	n = cmd_list_functions_scan(&names);
	if (!n && !args.json)
		printf("this machine shows no PCI functions\n");
	for (int i = 0; i < n; i++) {
		cmd_list_function_read(&f, names[i]->d_name);
		if (args.json)
			json_object_array_add(functions, cmd_list_function_json(&f));
		else
			cmd_list_function_text(&f);
		free(names[i]);
	}
	free(names);
	if (args.json) {
		o = json_object_new_object();
		json_object_object_add(o, "functions", functions);
		json_object_object_add(o, "simulated", cmd_list_simulated_json());
		return json_finish(o);
	}
	json_object_put(functions);
	printf("simulated devices, always available:\n");
	for (size_t i = 0; i < N_SIMULATED; i++)
		printf("  %-20s %s\n", simulated[i].spec, simulated[i].text);
	return CLI_DONE;
}
