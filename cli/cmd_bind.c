/* SPDX-License-Identifier: BSD-2-Clause */
/* `dmamap bind` and `dmamap unbind`: bind PCI functions to vfio-pci, and unbind them. */
#include "cli.h"

#include "vfio/bind.h"

#include <stdio.h>

struct bind_args {
	bool json;
	const char *address;
};

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "One JSON document on standard output", 0}, {0}};

static error_t cmd_bind_parse(int key, char *arg, struct argp_state *state)
{
	struct bind_args *a = state->input;

	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->address)
			argp_error(state, "'%s': give one function only", arg);
		a->address = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "give the address of a PCI function, such as 0000:00:03.0");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

#define ENVIRONMENT                                                                                \
	"\vA function that is in use (a disk that is mounted or used otherwise, a network "        \
	"interface that is up, a device that a program has open) is refused, and so is one of "    \
	"which this cannot be decided. DMAMAP_SYSFS and DMAMAP_PROC in the environment name "      \
	"other directories than "                                                                  \
	"/sys and /proc."

static const struct argp argp_bind = {options,
				      cmd_bind_parse,
				      "ADDRESS",
				      "Binds a PCI function to the driver vfio-pci, so that "
				      "vfio:ADDRESS can be opened." ENVIRONMENT,
				      NULL,
				      NULL,
				      NULL};
static const struct argp argp_unbind = {options,
					cmd_bind_parse,
					"ADDRESS",
					"Unbinds a PCI function from vfio-pci and binds it to the "
					"kernel's driver for it." ENVIRONMENT,
					NULL,
					NULL,
					NULL};

static int cmd_bind_run(int argc, char **argv, const struct argp *argp,
			int (*move)(const struct pci_address *))
{
	struct bind_args args = {0};
	struct pci_address address;
	struct pci_function now;
	struct json_object *o;

	argp_parse(argp, argc, argv, 0, NULL, &args);
	if (pci_address_parse(&address, args.address) || move(&address))
		return cli_fail("%s", dmamap_strerror());
	pci_function_read(&now, &address);
	if (!args.json) {
		printf("%s: driver %s\n", address.text, now.driver[0] ? now.driver : "none");
		return CLI_DONE;
	}
	o = json_object_new_object();
	json_put_text(o, "address", address.text);
	json_put_text(o, "driver", now.driver[0] ? now.driver : NULL);
	return json_finish(o);
}

int cmd_bind(int argc, char **argv)
{
	return cmd_bind_run(argc, argv, &argp_bind, pci_bind);
}

int cmd_unbind(int argc, char **argv)
{
	return cmd_bind_run(argc, argv, &argp_unbind, pci_unbind);
}
