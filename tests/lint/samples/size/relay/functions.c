/* Functions at and over the limits. */
int just_right(int x)
{
	x += 0;
	x += 1;
	x += 2;
	x += 3;
	x += 4;
	x += 5;
	x += 6;
	x += 7;
	x += 8;
	x += 9;
	x += 10;
	x += 11;
	x += 12;
	x += 13;
	x += 14;
	x += 15;
	x += 16;
	x += 17;
	x += 18;
	x += 19;
	x += 20;
	x += 21;
	x += 22;
	x += 23;
	x += 24;
	x += 25;
	x += 26;
	x += 27;
	x += 28;
	x += 29;
	x += 30;
	x += 31;
	x += 32;
	x += 33;
	x += 34;
	x += 35;
	x += 36;
	x += 37;
	x += 38;
	x += 39;
	x += 40;
	x += 41;
	x += 42;
	x += 43;
	x += 44;
	x += 45;
	x += 46;
	x += 47;
	x += 48;
	x += 49;
	x += 50;
	x += 51;
	x += 52;
	x += 53;
	x += 54;
	x += 55;
	return x;
}

int long_one(int x)
{
	x += 0;
	x += 1;
	x += 2;
	x += 3;
	x += 4;
	x += 5;
	x += 6;
	x += 7;
	x += 8;
	x += 9;
	x += 10;
	x += 11;
	x += 12;
	x += 13;
	x += 14;
	x += 15;
	x += 16;
	x += 17;
	x += 18;
	x += 19;
	x += 20;
	x += 21;
	x += 22;
	x += 23;
	x += 24;
	x += 25;
	x += 26;
	x += 27;
	x += 28;
	x += 29;
	x += 30;
	x += 31;
	x += 32;
	x += 33;
	x += 34;
	x += 35;
	x += 36;
	x += 37;
	x += 38;
	x += 39;
	x += 40;
	x += 41;
	x += 42;
	x += 43;
	x += 44;
	x += 45;
	x += 46;
	x += 47;
	x += 48;
	x += 49;
	x += 50;
	x += 51;
	x += 52;
	x += 53;
	x += 54;
	x += 55;
	x += 56;
	x += 57;
	x += 58;
	x += 59;
	return x;
}

int wild_one(int x)
{
	if (x == 0)
		return 1;
	if (x == 1)
		return 2;
	if (x == 2)
		return 3;
	if (x == 3)
		return 4;
	if (x == 4)
		return 5;
	if (x == 5)
		return 6;
	if (x == 6)
		return 7;
	if (x == 7)
		return 8;
	if (x == 8)
		return 9;
	if (x == 9)
		return 10;
	if (x == 10)
		return 11;
	if (x == 11)
		return 12;
	if (x == 12)
		return 13;
	if (x == 13)
		return 14;
	if (x == 14)
		return 15;
	return x;
}

int a_switch_is_one(int x)
{
	switch (x) {
	case 0:
		return 1;
	case 1:
		return 2;
	case 2:
		return 3;
	case 3:
		return 4;
	case 4:
		return 5;
	case 5:
		return 6;
	case 6:
		return 7;
	case 7:
		return 8;
	case 8:
		return 9;
	case 9:
		return 10;
	case 10:
		return 11;
	case 11:
		return 12;
	case 12:
		return 13;
	case 13:
		return 14;
	case 14:
		return 15;
	case 15:
		return 16;
	case 16:
		return 17;
	case 17:
		return 18;
	case 18:
		return 19;
	case 19:
		return 20;
	}
	return x;
}

int excused(int x)
{
	if (x == 0)
		return 1;
	if (x == 1)
		return 2;
	if (x == 2)
		return 3;
	if (x == 3)
		return 4;
	if (x == 4)
		return 5;
	if (x == 5)
		return 6;
	if (x == 6)
		return 7;
	if (x == 7)
		return 8;
	if (x == 8)
		return 9;
	if (x == 9)
		return 10;
	if (x == 10)
		return 11;
	if (x == 11)
		return 12;
	if (x == 12)
		return 13;
	if (x == 13)
		return 14;
	if (x == 14)
		return 15;
	return x;
}
