/* SPDX-License-Identifier: BSD-3-Clause */
/* gen_man.c - Write vunetd.conf(5): what is said by hand around the key table
 *
 * Run by the Makefile while building; not installed.
 */
#include "conf/conf.h"

static const char head[] =
	".Dd November 21, 2026\n"
	".Dt VUNETD.CONF 5\n"
	".Os\n"
	".Sh NAME\n"
	".Nm vunetd.conf\n"
	".Nd configuration of vunetd\n"
	".Sh SYNOPSIS\n"
	".Pa /etc/vunetd/vunetd.conf\n"
	".Sh DESCRIPTION\n"
	"The file consists of sections, each with lines of\n"
	".Ql key = value .\n"
	"There is one\n"
	".Ql [port.NAME]\n"
	"for each NIC and one\n"
	".Ql [guest.NAME]\n"
	"for each guest, at least one of both; the other sections may be left out.\n"
	"The order of sections and of keys does not matter.\n"
	".Pp\n"
	"Names of sections, keys, ports and guests may be written in upper or lower case,\n"
	"which makes no difference.\n"
	"A NAME is 1 to 31 letters, digits, underscores and hyphens.\n"
	".Pp\n"
	"A\n"
	".Ql #\n"
	"or\n"
	".Ql \\&;\n"
	"begins a comment.\n"
	"A value that contains one of them is put in double quotes.\n"
	"A section stands alone on its line, and no line continues on the next.\n"
	".Pp\n"
	"Everything wrong with a file is reported, with its line, and what would have\n"
	"been allowed: unknown sections and keys, doubles, values that are not what\n"
	"the key takes, and sections that do not fit together.\n"
	"With any of that\n"
	".Xr vunetd 8\n"
	"does not start.\n";

static const char tail[] = ".Sh FILES\n"
			   ".Bl -tag -width Ds\n"
			   ".It Pa /etc/vunetd/vunetd.conf\n"
			   "Read unless\n"
			   ".Xr vunetd 8\n"
			   "is given another one.\n"
			   ".It Pa /usr/share/doc/vunetd/examples\n"
			   "Complete files for other kinds of ports.\n"
			   ".El\n"
			   ".Sh EXAMPLES\n"
			   "A TAP device and one guest behind a vIOMMU:\n"
			   ".Bd -literal -offset indent\n"
			   "[pmd]\n"
			   "cores = 1\n"
			   "[port.uplink]\n"
			   "devargs = \"net_tap0,iface=vunet0\"\n"
			   "[guest.vm1]\n"
			   "socket = /run/vunetd/vm1.sock\n"
			   "viommu = yes\n"
			   "wire = uplink\n"
			   ".Ed\n"
			   ".Sh SEE ALSO\n"
			   ".Xr vunetd 8\n";

int main(void)
{
	fputs(head, stdout);
	conf_man(stdout);
	fputs(tail, stdout);
	return fflush(stdout) ? 1 : 0;
}
