"""The sample's doctors. Any likeness is chance; the addresses belong to reserved domains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeVar

T = TypeVar("T")
Number = tuple[int, int]  # a mobile number of ten digits, in two halves

# Sample doctors are told from real ones by this beginning of their id.
ID_PREFIX = "DEMO-"

FIRST_NAMES = (  # noqa: SIM905  a list of quoted names is harder to read
    "Aarti Aditya Ajay Akash Amit Amrita Anand Ananya Anil Anita Anjali Anupam Arjun Arun Aruna "
    "Asha Ashok Bhavna Chitra Deepa Deepak Devika Dinesh Divya Farah Gauri Geeta Girish Gopal "
    "Gurpreet Harish Harpreet Imran Indira Ishaan Jaya Jayesh John Kabir Kalpana Karthik Kavita "
    "Kiran Lakshmi Lata Madhavi Mahesh Manish Manjula Mary Meera Mohan Mohit Mukesh Nandini "
    "Naveen Neha Nikhil Nisha Nitin Padma Pallavi Pooja Prakash Pramod Prasad Preeti Priya "
    "Rahul Rajesh Rakesh Ramesh Ravi Rekha Ritu Rohan Rohit Sachin Salma Sameer Sandeep Sangeeta "
    "Sanjay Sapna Saritha Seema Shabana Shalini Shilpa Shreya Shweta Siddharth Smita Sneha Sunil "
    "Sunita Suresh Swati Tanvi Tariq Thomas Uma Usha Vandana Varun Vidya Vijay Vikram Vinod Yasmin"
).split()
LAST_NAMES = (  # noqa: SIM905
    "Agarwal Ahmed Ali Anand Bajaj Banerjee Basu Bhat Bhatt Bhattacharya Bose Chakraborty Chandra "
    "Chatterjee Chauhan Choudhary Das Dasgupta Desai Deshmukh Deshpande Dixit Dutta Fernandes "
    "Gandhi Ghosh Gill Gokhale Goyal Gupta Hegde Hussain Iyengar Iyer Jadhav Jain Jha Joseph Joshi "
    "Kamath Kapoor Kaur Khan Khanna Khurana Kohli Krishnan Kulkarni Kumar Kurian Lobo Mahajan "
    "Malhotra Mathew Mehta Menon Mishra Mukherjee Murthy Naidu Nair Nambiar Naik Pandey Patel "
    "Patil Pillai Prabhu Prasad Raghavan Raman Rane Rao Rastogi Rathore Reddy Roy Sarkar Saxena "
    "Sen Sethi Shah Sharma Shenoy Shetty Siddiqui Singh Sinha Sood Srinivasan Subramanian "
    "Thakur Thomas Tiwari Tripathi Varghese Varma Verma Yadav"
).split()

# With how many doctors in a hundred work there.
CITIES = {
    "Mumbai": 15,
    "Delhi": 14,
    "Bengaluru": 12,
    "Chennai": 10,
    "Hyderabad": 10,
    "Kolkata": 9,
    "Pune": 8,
    "Ahmedabad": 6,
    "Kochi": 5,
    "Lucknow": 4,
    "Nagpur": 4,
}
ABROAD = {
    "Dubai": "Asia/Dubai",
    "Kathmandu": "Asia/Kathmandu",
    "London": "Europe/London",
    "Singapore": "Asia/Singapore",
}
SHARE_ABROAD = 0.025
SPECIALTIES = {
    "General Medicine": 30,
    "Cardiology": 14,
    "Paediatrics": 14,
    "Endocrinology": 10,
    "Obstetrics and Gynaecology": 12,
    "Pulmonology": 10,
    "Orthopaedics": 6,
    "Psychiatry": 4,
}
MAIL_DOMAINS = ("example.com", "example.org", "example.net")
# The ways in which people write an Indian mobile number.
PHONE_FORMS = ("+91{0}{1}", "{0} {1}", "0{0}{1}", "+91-{0}-{1}", "+91 {0} {1}")
# Series of 100,000 numbers each that libphonenumber takes for Indian mobiles.
PHONE_SERIES = range(90000, 90100)
MOST_DOCTORS = 100_000


class Role(StrEnum):
    """What kind of user of the platform a doctor is."""

    DEVOTED = "devoted"  # agents, courses, sessions: those whom others hear of
    ASKER = "asker"  # asked AiDA and fell silent
    LEARNER = "learner"  # started a course and fell silent
    LISTENER = "listener"  # registers for sessions
    SILENT = "silent"  # registered, and that was it


SHARES = {
    Role.DEVOTED: 16,
    Role.ASKER: 15,
    Role.LEARNER: 11,
    Role.LISTENER: 17,
    Role.SILENT: 41,
}


@dataclass(frozen=True, slots=True)
class Person:
    """One doctor as the file of doctors tells it, and which role they play."""

    doctor_id: str
    role: Role
    first_name: str
    last_name: str
    email: str
    phone: str
    whatsapp: str
    specialty: str
    city: str
    timezone: str
    may_be_named: bool


def people(count: int, chance: Random) -> list[Person]:
    """`count` doctors; no two share an address."""
    numbers = iter(_numbers(2 * count, chance))
    return [_person(place, (next(numbers), next(numbers)), chance) for place in range(1, count + 1)]


def phone(number: Number, form: str) -> str:
    """The number in one of PHONE_FORMS."""
    return form.format(f"{number[0]:05}", f"{number[1]:05}")


def _numbers(count: int, chance: Random) -> list[Number]:
    """Different mobile numbers."""
    span = len(PHONE_SERIES) * 100_000
    drawn = chance.sample(range(span), count)
    return [(PHONE_SERIES[number // 100_000], number % 100_000) for number in drawn]


def _person(place: int, numbers: tuple[Number, Number], chance: Random) -> Person:
    role = _drawn(SHARES, chance)
    first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
    city, timezone = _drawn(CITIES, chance), ""
    if chance.random() < SHARE_ABROAD:
        city, timezone = chance.choice(list(ABROAD.items()))
    domain, form = chance.choice(MAIL_DOMAINS), chance.choice(PHONE_FORMS)
    has_mail, has_phone = chance.random() > 0.06, chance.random() > 0.04
    if chance.random() < 0.01:  # can be reached in no way at all
        has_mail = has_phone = False
    return Person(
        doctor_id=f"{ID_PREFIX}{place:06}",
        role=role,
        first_name=f"Dr. {first}" if chance.random() < 0.03 else first,
        last_name=last,
        email=f"{first}.{last}.{place}@{domain}".lower() if has_mail else "",
        phone=phone(numbers[0], form) if has_phone else "",
        whatsapp=phone(numbers[1], form) if has_phone and chance.random() < 0.05 else "",
        specialty=_drawn(SPECIALTIES, chance),
        city=city,
        timezone=timezone,
        may_be_named=chance.random() < (0.7 if role is Role.DEVOTED else 0.4),
    )


def _drawn(weights: Mapping[T, int], chance: Random) -> T:
    return chance.choices(list(weights), list(weights.values()))[0]
